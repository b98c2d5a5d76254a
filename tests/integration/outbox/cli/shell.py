"""Runs the command `outbox` as its own process, in the folder of an application."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import outbox

COMMAND = [sys.executable, "-P", "-c", "from outbox.cli import main; main()"]
PACKAGES = Path(outbox.__path__[0]).parent
TESTS = Path(__file__).parents[4]

APPLICATION = """
from pymongo import MongoClient
from outbox import Outbox
from tests.actors.order_service import MESSAGES

orders = Outbox(MongoClient({uri!r})[{database!r}], messages=MESSAGES, capacity="64 MiB")
away = Outbox(MongoClient("mongodb://127.0.0.1:1")[{database!r}])
stranger = Outbox(MongoClient({stranger!r})[{database!r}])
"""


class Shell:
    """A shell in the folder of the application `shop`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = {**os.environ, "PYTHONPATH": f"{PACKAGES}{os.pathsep}{TESTS}", "PYTHONUNBUFFERED": "1"}
        self.started: list[subprocess.Popen[str]] = []

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self._folder,
            env=self._environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def redirected(self, line: str) -> subprocess.CompletedProcess[str]:
        """Runs a line of /bin/sh that begins with the command's arguments."""
        return subprocess.run(
            ["/bin/sh", "-c", f"{shlex.join(COMMAND)} {line}"],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process
