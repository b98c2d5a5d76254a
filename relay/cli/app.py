"""The command `relay`: which commands there are, and where. Each is loaded when it is called."""

from __future__ import annotations

from typing import Annotated, ClassVar

from outbox.cli.shell.loading import loading

with loading("relay"):
    import typer

    from outbox.cli.shell.command import Command
    from outbox.cli.shell.completion import join_words
    from outbox.cli.shell.late_commands import Late, LateCommands
    from outbox.cli.shell.output import escape_the_unprintable, output_watched
    from outbox.cli.version import version_option


class _Commands(LateCommands):
    program = "relay"
    kind = Command
    late: ClassVar = {
        "demo": Late("relay.cli.demo", "demo", "See it work here, with every message checked in the end."),
        "run": Late("relay.cli.run", "run", "Relay until SIGTERM or Ctrl-C; a second Ctrl-C ends at once."),
        "replay": Late("relay.cli.replay.command", "replay", "Send a range of history to Kafka again."),
        "status": Late("relay.cli.status", "status", "Show how far the relay is."),
        "health": Late("relay.cli.checking.health", "health", "Say whether a relay, wherever it is, is at work."),
        "doctor": Late("relay.cli.checking.doctor", "doctor", "Look for what is wrong, and say what mends it."),
        "pause": Late("relay.cli.cursor", "pause", "Stop relaying until it is resumed."),
        "resume": Late("relay.cli.cursor", "resume", "Let a relay go on that is paused."),
        "acts": Late("relay.cli.checking.acts", "acts", "Show who requeued, discarded, paused or resumed what."),
        "config": Late(
            "relay.cli.checking.config", "config", "Show and check the settings of flags, environment and file."
        ),
        "cursor": Late("relay.cli.cursor", "cursor", "Show, move and remove a relay's cursor."),
        "dead": Late("relay.cli.dead", "dead", "Show dead letters, have them sent again, or give them up."),
        "shares": Late(
            "relay.cli.shares", "shares", "Show and change into how many shares a relay's keys are divided."
        ),
    }


app = typer.Typer(
    cls=_Commands,
    help="Relay MongoDB outboxes to Kafka, and look after that.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # as markup, the `[kafka]` of a help text would vanish
)


def main() -> None:
    """Runs the script `relay`."""
    escape_the_unprintable()
    join_words()
    with output_watched("relay"):
        app(prog_name="relay")


def _encoder() -> str:
    try:
        import relay.encoding._encoder  # noqa: F401  # itself, for what uses it loads the driver
    except ImportError:  # it is built where there is a C compiler
        return " (without the compiled encoder)"
    return " (with the compiled encoder)"


@app.callback()
def common(version: Annotated[bool, version_option(_encoder)] = False) -> None:
    """Has what all commands have in common."""
