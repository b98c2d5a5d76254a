"""Asks a `relay run --listen` what it shows."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tests.actors.relay_command import RelayCommand
from tests.waiting import wait_until


@dataclass(frozen=True)
class Answer:
    code: int
    text: str


class Listening:
    """A relay that was started with RELAY_LISTEN=127.0.0.1:0, at the port that its log names last."""

    def __init__(self, relay: RelayCommand, started: int = 1) -> None:
        self._relay = relay
        wait_until(lambda: len(self._ports()) >= started, 30, "the relay to listen")
        self._url = f"http://127.0.0.1:{self._ports()[-1]}"

    def _ports(self) -> list[str]:
        return re.findall(r"listening on port (\d+)", self._relay.log)

    def get(self, path: str) -> Answer:
        try:
            with urllib.request.urlopen(self._url + path, timeout=10) as answer:
                return Answer(answer.status, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode())

    def samples(self) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        """The samples of /metrics, by name and labels."""
        found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for family in text_string_to_metric_families(self.get("/metrics").text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
        return found

    def value(self, name: str, **labels: str) -> float:
        """The one sample of this name that has these labels, among others."""
        wanted = set(labels.items())
        (value,) = [value for has, value in self.samples()[name].items() if wanted <= has]
        return value
