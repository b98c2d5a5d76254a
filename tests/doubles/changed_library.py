"""A library whose names have gone or moved, as in a newer release of it."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import sys
import mongoengine, mongoengine.base, mongoengine.fields, pymongo.synchronous.client_session as client_session
{change}
from outbox import Outbox
print("imported")
"""


def run_after(change: str, code: str) -> subprocess.CompletedProcess[str]:
    """Makes the change to a library in a process of its own, and runs the code there."""
    return subprocess.run(
        [sys.executable, "-c", f"{change}\n{code}"], capture_output=True, text=True, timeout=60, check=False
    )


def import_after(change: str) -> subprocess.CompletedProcess[str]:
    """Makes the change to the libraries in a process of its own, and imports this package there."""
    return run_after("", _CODE.format(change=change))


def refusal_after(change: str) -> str:
    """The one line with which the import fails after the change."""
    done = import_after(change)
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("ImportError")]
    return line
