"""The yardstick kit: a folder of scripts, given by the user, that runs relays against one MongoDB and one Kafka.

What is used of it: `setup.sh`, which fetches what it needs; `stack.sh up|down|wipe`; `b.sh KIND RELAY …`, which appends
a line of JSON to `$WORK/results/KIND.jsonl` a run; and `relays/`, where each relay has a file of its name.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

OURS = "outbox"
_SCRIPTS = ("setup.sh", "stack.sh", "b.sh", "settings.env")
_TOOLS = ("bash", "java", "mvn")
_SECONDS = 3600.0
"""The longest of one run."""


class YardstickUnavailable(Exception):
    """The folder is no kit, or what it needs is not installed."""


class YardstickFailed(Exception):
    """One of its scripts ended with an error."""


class Yardstick:
    """One kit. Its settings (WORK, BUILD, VENV, COUNT, LAT_S, …) come from the environment, as `settings.env` says.

    Raises YardstickUnavailable.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        missing = [name for name in _SCRIPTS if not (self._folder / name).is_file()]
        if missing:
            raise YardstickUnavailable(
                f"{folder} is not the yardstick kit: {', '.join(missing)} is missing. It is a folder of scripts that "
                "run Debezium's and MongoDB's connectors; it is not part of this repository"
            )
        if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
            raise YardstickUnavailable(f"the kit needs Java 17 and Maven: {', '.join(missing)} is not on the PATH")
        self._bin = os.environ.get("OUTBOX_BIN", str(Path(sys.executable).parent))
        if not Path(self._bin, "relay").exists():
            raise YardstickUnavailable(
                f"there is no command `relay` in {self._bin}: install the project there, or name another folder in "
                "OUTBOX_BIN"
            )

    @contextlib.contextmanager
    def stack(self) -> Iterator[None]:
        """MongoDB and Kafka, empty, until the end of the `with`."""
        self._run([], "setup.sh")
        for what in ("down", "wipe", "up"):
            self._run([], "stack.sh", what)
        try:
            yield
        finally:
            self._run([], "stack.sh", "down")

    def run(self, kind: str, relay: str, *arguments: str, settings: Sequence[str] = ()) -> list[dict[str, Any]]:
        """What b.sh measured. `settings` are NAME=VALUE. Raises YardstickFailed."""
        before = len(self._lines(kind))
        self._run(settings, "b.sh", kind, relay, *arguments)
        return [json.loads(line) for line in self._lines(kind)[before:]]

    def _lines(self, kind: str) -> list[str]:
        work = os.environ.get("WORK")
        results = (self._folder / ".work" if work is None else Path(work)) / "results" / f"{kind}.jsonl"
        return results.read_text().splitlines() if results.exists() else []

    def _run(self, settings: Sequence[str], *command: str) -> None:
        environment: Mapping[str, str] = {
            **os.environ,
            "OUTBOX_BIN": self._bin,
            **dict(setting.split("=", 1) for setting in settings),
        }
        done = subprocess.run(
            ["bash", *command],
            cwd=self._folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode:
            raise YardstickFailed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}")
