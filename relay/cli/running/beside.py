"""Relays beside what another command does, such as `outbox serve`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from outbox.backoff import LONGEST_SECONDS, Pause
from relay.cli.exit_codes import exit_codes
from relay.cli.options import bootstrap_of
from relay.cli.run import relay_by
from relay.cli.settings import load
from relay.errors import Unreachable
from relay.kafka.settings import check_files
from relay.kafka.sink import KafkaSink
from relay.relay import Relay

logger = logging.getLogger("relay")


class Beside:
    """Relays by a file of settings on a thread of another command. Reading it ends the command as `relay run` ends.

    Servers that are away are waited for, at the start, too: the other work is to go on without them.
    """

    def __init__(self, config: str) -> None:
        with exit_codes():
            self._settings = load({"config": config})
            bootstrap_of(self._settings)
            check_files(self._settings.set)
        logging.getLogger("relay").setLevel(self._settings.log_level.upper())
        self._away = ""
        self._relays: Sequence[Relay] = ()

    def run(self, stop: threading.Event) -> None:
        """Relays until `stop` is set. Ends its thread as `relay run` ends, with the same texts and codes."""
        pause = Pause(LONGEST_SECONDS)
        with exit_codes():
            while not stop.is_set():
                try:
                    relay_by(self._settings, stop, waits=True, begun=self._begun)
                except Unreachable as error:  # of its MongoDB: the relays wait for Kafka by themselves
                    self._away = str(error)
                    logger.warning("the relay waits: %s", error)
                    pause.wait(stop)
                else:
                    return

    def _begun(self, relays: Sequence[Relay]) -> None:
        self._away, self._relays = "", relays

    def trouble(self) -> str:
        """Says what it waits for; "" when it goes on. Asks nobody. Thread-safe."""
        return self._away or next(filter(None, map(_trouble, self._relays)), "")


def _trouble(relay: Relay) -> str:
    return relay.tally.trouble or (relay.sink.silence() if isinstance(relay.sink, KafkaSink) else "")
