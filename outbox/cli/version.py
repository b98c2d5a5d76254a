"""Makes the option `--version` of a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer


def version_option(more: Callable[[], str] = lambda: "") -> Any:
    """Makes the option that prints the version, with what `more` returns behind it, and ends the command."""

    def show(wanted: bool) -> None:
        if wanted:
            import importlib.metadata  # here, for it loads what reads e-mail

            print(f"mongo-outbox {importlib.metadata.version('mongo-outbox')}{more()}")
            raise typer.Exit

    return typer.Option("--version", callback=show, is_eager=True, help="Print the version and exit.")
