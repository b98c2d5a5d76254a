"""The command `relay`: registers its commands, and says what to install when they cannot be loaded."""

from __future__ import annotations

import sys
from typing import Annotated

try:
    import typer

    from outbox.cli.shell.completion import join_words
    from outbox.cli.shell.output import output_watched
    from outbox.cli.terminal import escape_the_unprintable
    from outbox.cli.version import version_option
    from relay.cli.checking.acts import acts
    from relay.cli.checking.config import config
    from relay.cli.checking.doctor import doctor
    from relay.cli.cursor import cursor, pause, resume
    from relay.cli.dead import dead
    from relay.cli.demo import demo
    from relay.cli.options import Command
    from relay.cli.replay.command import replay
    from relay.cli.run import run
    from relay.cli.shares import shares
    from relay.cli.status import health, status
except ModuleNotFoundError as missing:
    print(f"relay: {missing}; install it with: pip install '.[relay]', in its clone", file=sys.stderr)
    raise SystemExit(2) from None
except KeyboardInterrupt:  # loading takes long enough to be interrupted
    raise SystemExit(130) from None

app = typer.Typer(
    help="Relay MongoDB outboxes to Kafka, and look after that.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # as markup, the `[kafka]` of a help text would vanish
)
for command in (demo, run, replay, status, health, doctor, pause, resume, acts):
    app.command(cls=Command)(command)
app.add_typer(config, name="config")
app.add_typer(cursor, name="cursor")
app.add_typer(dead, name="dead")
app.add_typer(shares, name="shares")


def main() -> None:
    """Runs the script `relay`."""
    escape_the_unprintable()
    join_words()
    with output_watched("relay"):
        app(prog_name="relay")


def _encoder() -> str:
    from relay.encoding.encoder import is_native

    return f" ({'with' if is_native() else 'without'} the compiled encoder)"


@app.callback()
def common(version: Annotated[bool, version_option(_encoder)] = False) -> None:
    """Has what all commands have in common."""
