"""The command `outbox discard`: remove what has its time behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from outbox.acts.log import ActLog
from outbox.cli.acts import this_person
from outbox.cli.application import App, archive_at, archive_errors, full_name, opened, read_age
from outbox.cli.options import ArchiveName, AsJson, Yes
from outbox.mongo.collections import check_name
from outbox.outbox import Outbox

if TYPE_CHECKING:
    from outbox.discarding.discard import Kind


def discard(
    app: App,
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Such as 90d, 12h or 4w; an inbox has a time of its own.")
    ] = "90d",
    inbox: Annotated[str, typer.Option(metavar="NAME", help="Which inbox, in the same database.")] = "inbox",
    archive: Annotated[str | None, typer.Option(metavar="URL", help="Also the chunks of this archive.")] = None,
    archive_name: ArchiveName = "main",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove what has its time behind it, or say what that is.

    Entries of the inbox; which messages were imported; what was done by hand; dead letters that were not requeued and
    that no other waits behind; leases that nobody holds, of readers without a cursor; chunks of an archive. What is
    needed stays.
    """
    with opened(app) as outbox, archive_errors():
        from outbox.discarding.discard import Discard

        check_name(inbox, "an inbox name")
        place = None if archive is None else archive_at(archive, archive_name)
        kinds = Discard(outbox.collections, read_age(older_than), inbox=inbox, archive=place).kinds
        outbox.status()  # raises if create() was never run
        counts = {kind.name: _removed(outbox, kind, older_than) if yes else kind.count() for kind in kinds}
        if as_json:
            print(json.dumps({"removed": yes, **{name.replace(" ", "_"): count for name, count in counts.items()}}))
            return
        said = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        print(f"{full_name(outbox)}: removed {said}" if yes else f"would remove {said}; with --yes it does")


def _removed(outbox: Outbox, kind: Kind, older_than: str) -> int:
    """Removes them. That messages are given up is written to NAME.acts, as whatever discards them by hand is."""
    if not kind.gives_up or not kind.count():
        return kind.remove()
    reason = f"outbox discard --older-than {older_than}"
    with ActLog(outbox.collections).act("discard", "every reader", this_person(), reason) as outcome:
        outcome.count = removed = kind.remove()
    return removed
