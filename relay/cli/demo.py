"""The command `relay demo`. What it needs is imported when it runs, so that the other commands start without it."""

from __future__ import annotations

import json
import signal
import sys
from typing import Annotated

import typer
from pymongo.errors import ConnectionFailure, PyMongoError

from outbox.cli.options import AsJson
from outbox.errors import EmbeddedUnavailable, OutboxError
from outbox.mongo.server_errors import short_message
from relay.cli.exit_codes import PROTECTED, UNEXPECTED, UNREACHABLE, USAGE, exit_code

_INTERRUPTED = 130  # what shells expect of a command that Ctrl-C ended


def demo(
    messages: Annotated[int, typer.Option(min=1, metavar="N", help="How many messages to commit.")] = 500,
    mongo: Annotated[
        str | None, typer.Option(metavar="URI", help="Use this replica set, instead of an embedded MongoDB.")
    ] = None,
    kafka: Annotated[
        str | None, typer.Option(metavar="BOOTSTRAP", help="Use this Kafka, instead of a mock broker.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Stay until Ctrl-C, and tell how to look in.")] = False,
    as_json: AsJson = False,
) -> None:
    """See it work here, with every message checked in the end.

    An order service puts messages in transactions, an Observable sees them, a relay brings them to Kafka. Needs no
    server, Docker or Java. On servers of yours it uses a database and a topic of its own, and removes them. With --json
    stdout has the figures, and all else goes to stderr. Ends with 1 when a check fails.
    """
    try:
        from rich.console import Console

        from outbox.embedded.binary import find_mongod
        from relay.demo.display import Display
        from relay.demo.play import RelayEnded, play
    except ModuleNotFoundError as missing:
        raise _failed(f"{missing}; install it with: pip install '.[all]', in its clone", USAGE) from None

    if mongo is None:
        try:
            find_mongod()
        except EmbeddedUnavailable as error:
            raise _failed(f"{error}: relay demo --mongo URI", USAGE) from None
    try:
        report, checks = play(messages, mongo, kafka, Display(Console(stderr=as_json)), keep=keep)
    except KeyboardInterrupt:
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # one more would only interrupt Python's own shutdown, and look like a crash
        raise _failed("interrupted; all that was started has been stopped", _INTERRUPTED) from None
    except RelayEnded as error:
        raise _failed(error, error.code if error.code in (USAGE, UNREACHABLE, PROTECTED) else UNEXPECTED) from None
    except (EmbeddedUnavailable, ConnectionFailure) as error:
        raise _failed(error, UNREACHABLE) from None
    except (OutboxError, PyMongoError) as error:
        raise _failed(error, exit_code(error)) from None
    if as_json:
        print(json.dumps(report.as_dict()))
    if not all(check.holds for check in checks):
        raise typer.Exit(UNEXPECTED)


def _failed(why: Exception | str, code: int) -> typer.Exit:
    print(f"relay demo: {why if isinstance(why, str) else short_message(why)}", file=sys.stderr)
    return typer.Exit(code)
