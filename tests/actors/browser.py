"""A browser without a screen, as programs open one by the variable BROWSER."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
SCRIPT = """#!/bin/sh
setsid {program} --headless --disable-gpu --no-sandbox --no-first-run --disable-dev-shm-usage \\
    --user-data-dir={profile} "$1" >{log} 2>&1 &
echo $! >{pid}
"""


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Path]:
    """Gives the path of a command that opens an address in it; at the end it is closed. Skips where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"there is no browser: none of {', '.join(NAMES)} is on the PATH")
    opener, pid = folder / "open", folder / "browser.pid"
    places = {"profile": folder / "profile", "log": folder / "browser.log", "pid": pid}
    opener.write_text(SCRIPT.format(program=program, **places))
    opener.chmod(0o755)
    try:
        yield opener
    finally:
        if pid.exists():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(int(pid.read_text()), signal.SIGKILL)
