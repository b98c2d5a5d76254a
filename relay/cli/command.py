"""The commands' class: it never repeats an argument that it did not expect, which may be a part of a secret."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """A command without arguments beyond its own; `--set sasl.password=two words` has one too many."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        context = super().make_context(*arguments, allow_extra_args=True, **options)
        if context.args:
            context.fail("there is an argument too many. A value with a space in it needs quotes")
        return context
