"""An example's folder: its program, run as its README says, and the output it should have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from pymongo.database import Database

import outbox

EXAMPLES = Path(__file__).parents[2] / "examples"
PACKAGES = str(Path(outbox.__file__).parents[1])
"""Where the outbox and the relay under test are: a program started by a test must import the very same."""


def uri_of(mongo_uri: str, database: Database[Any]) -> str:
    """The server's address with the test's own database as the default one."""
    parts = urlsplit(mongo_uri)
    return urlunsplit(parts._replace(path="/" + database.name))


def expected(name: str) -> str:
    return (EXAMPLES / name / "expected.txt").read_text()


def run(command: list[str], cwd: Path | None = None, cap_seconds: float = 60, **environment: str) -> str:
    """What a program printed; it must end well, and in time."""
    program = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": PACKAGES, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=cap_seconds,
        check=False,
    )
    assert program.returncode == 0, program.stderr
    return program.stdout


def run_example(name: str, arguments: list[str], **environment: str) -> str:
    """What the example printed."""
    return run([sys.executable, str(EXAMPLES / name / arguments[0]), *arguments[1:]], **environment)
