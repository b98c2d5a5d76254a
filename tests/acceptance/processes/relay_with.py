"""The command `relay`, with leases that run out sooner than a minute of tests, or with a guarantee taken away."""

from __future__ import annotations

import argparse
import signal
import sys

import outbox.sequencer.loop
from outbox.delivery import durable_reader as runner
from outbox.log.cursors import CursorStore
from outbox.mongo.lease import Lease
from relay.cli import app
from relay.cli.settings import OutboxSettings
from relay.kafka import sink


def go_blind(*_: object) -> None:
    """From here on nothing in MongoDB tells it that another has taken over."""
    Lease.check = lambda _: None
    CursorStore.save = lambda *_: None
    print("blind", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, add_help=False)
    parser.add_argument("--lease", type=float, required=True, help="seconds")
    parser.add_argument("--message-timeout", type=int, help="milliseconds, instead of for ever")
    parser.add_argument("--blind", action="store_true", help="on SIGUSR1 it no longer sees whether its time is over")
    given, arguments = parser.parse_known_args()
    OutboxSettings.model_fields["lease"].default = given.lease  # a default is not held to the bounds
    OutboxSettings.model_rebuild(force=True)
    outbox.sequencer.loop._STANDBY_SECONDS = runner.STANDBY_SECONDS = 0.1
    if given.message_timeout is not None:
        sink.LOCKED = {**sink.LOCKED, "message.timeout.ms": given.message_timeout}
    if given.blind:
        signal.signal(signal.SIGUSR1, go_blind)
    sys.argv = ["relay", *arguments]
    app.main()


if __name__ == "__main__":
    main()
