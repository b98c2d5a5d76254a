"""A command that keeps to itself what it was given and cannot use: that may be a part of a secret."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class Command(TyperCommand):
    """Refuses an argument too many, such as `words` in `--set sasl.password=two words`, without repeating it."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        context = super().make_context(*arguments, allow_extra_args=True, **options)
        if context.args and not context.resilient_parsing:  # which it is while a shell completes
            context.fail("there is an argument too many. A value with a space in it needs quotes")
        return context
