"""The command `outbox acts APP`, and what commands that act have in common: who acts, and why."""

from __future__ import annotations

import getpass
import json
import os
import socket
from typing import Annotated, Any

import typer

from outbox.acts.log import MOST_ACTS, ActLog, Person
from outbox.cli.application import App, full_name, opened
from outbox.cli.options import AsJsonLines
from outbox.cli.terminal import visible

Reason = Annotated[str | None, typer.Option("--reason", metavar="WHY", help="Why; it is written to NAME.acts.")]
NeededReason = Annotated[
    str, typer.Option("--reason", metavar="WHY", help="Why they are given up; it is written to NAME.acts.")
]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=MOST_ACTS, help="How many, the newest first.")]


def this_person() -> Person:
    """Says who runs the command: the user of this machine, and the machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user that the system does not know, as in a container
        user = f"uid {os.getuid()}" if hasattr(os, "getuid") else "somebody"
    return Person(f"{user}@{socket.gethostname()}", "command")


def acts(app: App, limit: Limit = 50, as_json: AsJsonLines = False) -> None:
    """Show who requeued, discarded, paused or resumed what.

    When and why, the newest first.
    """
    with opened(app) as outbox:
        print_acts(full_name(outbox), ActLog(outbox.collections).newest(limit), as_json=as_json)


def print_acts(name: str, found: list[dict[str, Any]], *, as_json: bool) -> None:
    """Prints acts of the outbox `name`."""
    if as_json:
        for each in found:
            print(json.dumps(each))
        return
    if not found:
        print(f"{name}: nobody has acted yet")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title=name, title_justify="left")
    for title in ("when", "who", "what", "reader", "which", "count", "reason"):
        table.add_column(title, no_wrap=title == "when", overflow="fold")
    for each in found:
        which = each.get("selection")
        asked = "" if which is None else ", ".join(f"{name} {value}" for name, value in which.items()) or "all"
        count = "not ended" if each.get("ended") is None else each.get("error") or each.get("count")
        who = each["who"] if each.get("through") == "command" else f"{each['who']}, {each.get('through')}"
        cells = (each["when"], who, each["what"], each["reader"], asked, count, each.get("reason"))
        table.add_row(*("" if cell is None else visible(str(cell)) for cell in cells))
    Console().print(table, markup=False)
