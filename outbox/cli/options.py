"""The options that commands have in common, in the same words everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
AsJsonLines = Annotated[bool, typer.Option("--json", help="Print JSON, an object a line.")]
ArchiveUrl = Annotated[
    str | None,
    typer.Option("--archive", metavar="URL", help="An archive, for what the log has forgotten.", show_default=False),
]
ArchiveName = Annotated[str, typer.Option("--archive-name", metavar="NAME", help="Which archive of the place.")]
Types = Annotated[
    list[str] | None,
    typer.Option(
        "--types", metavar="TYPES", help="Only these message types: a,b; may be repeated.", show_default=False
    ),
]
OnlyKey = Annotated[
    str | None, typer.Option("--key", metavar="KEY", help="Only messages of this key.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would be done.")]


def listed(texts: Iterable[str] | None) -> list[str]:
    """Returns the values of an option that takes several by commas, and may be repeated."""
    return [name.strip() for text in texts or () for name in text.split(",") if name.strip()]
