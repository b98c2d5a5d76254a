"""Runs the tests that failed in the last run once more, alone: python -m tests.once_more

Ends with 1 also when there are none, or so many that it was no matter of a busy machine.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

FAILED = Path(__file__).parents[1] / ".pytest_cache/v/cache/lastfailed"
MOST = 10


def failed() -> list[str]:
    """What failed, by pytest's names; not what could not even be collected."""
    return [name for name in json.loads(FAILED.read_text()) if "::" in name] if FAILED.exists() else []


def main() -> int:
    names = failed()
    if not 0 < len(names) <= MOST:
        sys.stderr.write(f"{len(names)} tests failed: they are not run once more\n")
        return 1
    return pytest.main(["--color=no", "-n", "0", "-m", "", *names])


if __name__ == "__main__":
    sys.exit(main())
