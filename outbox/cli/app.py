"""The command `outbox`: which commands there are, and where. Each is loaded when it is called."""

from __future__ import annotations

from typing import Annotated, ClassVar

from outbox.cli.shell.loading import loading

with loading("outbox"):
    import typer

    from outbox.cli.shell.completion import join_words
    from outbox.cli.shell.late_commands import Late, LateCommands
    from outbox.cli.shell.output import escape_the_unprintable, output_watched
    from outbox.cli.version import version_option

_LOG, _TRANSFER = "outbox.cli.log.commands", "outbox.cli.moving.transfer"


class _Commands(LateCommands):
    program = "outbox"
    late: ClassVar = {
        "doctor": Late("outbox.cli.doctor", "doctor", "Look for what is wrong, and say what mends it."),
        "serve": Late("outbox.cli.gateway.serve", "serve", "Serve the outbox over HTTP, until SIGTERM or Ctrl-C."),
        "create": Late(_LOG, "create", "Make the collections, or add what is new to them."),
        "status": Late(_LOG, "status", "Show what is in it, who numbers, and how far readers are."),
        "tail": Late(_LOG, "tail", "Print records as they come, until SIGTERM or Ctrl-C."),
        "inspect": Late(_LOG, "inspect", "Show where a message is, and which readers have passed it."),
        "sequence": Late(_LOG, "sequence", "Number what staging holds, once, and print the count."),
        "readers": Late(
            "outbox.cli.readers", "readers", "Show, move, remove and pause durable readers, such as relays."
        ),
        "dead": Late("outbox.cli.dead", "dead", "Show dead letters, have them handled again, or give them up."),
        "archive": Late(
            "outbox.cli.archive", "archive", "Keep all of history in files: check it, show it, and shorten it."
        ),
        "token": Late("outbox.cli.gateway.tokens", "token", "Say by tokens who may call the gateway."),
        "export": Late(_TRANSFER, "export_", "Write messages as lines of JSON, which `outbox import` reads."),
        "import": Late(_TRANSFER, "import_", "Put the messages of an export, each once however often."),
        "mirror": Late(_TRANSFER, "mirror", "Put messages into another outbox as they come."),
        "discard": Late(
            "outbox.cli.moving.discard", "discard", "Remove what has its time behind it, or say what that is."
        ),
        "acts": Late("outbox.cli.acts", "acts", "Show who requeued, discarded, paused or resumed what."),
        "schema": Late(
            "outbox.cli.schema.commands", "schema", "Show what messages look like, and what a deploy would change."
        ),
    }


app = typer.Typer(
    cls=_Commands,
    help="Create, look into, number and move the outbox of a service. APP is module:attribute, as web servers have it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # as markup, a help text would lose its brackets
)


def main() -> None:
    """Runs the script `outbox`."""
    escape_the_unprintable()
    join_words()
    with output_watched("outbox"):
        app(prog_name="outbox")


@app.callback()
def common(version: Annotated[bool, version_option()] = False) -> None:
    """Has what all commands have in common."""
