"""Runs the tests that failed in the last run once more, alone: python -m tests.once_more [CACHE]

CACHE: the run's `cache_dir`, when it is not the usual one.

Ends with 1 also when there are none, or so many that it was no matter of a busy machine.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

CACHE = Path(__file__).parents[1] / ".pytest_cache"
MOST = 10


def failed(cache: Path) -> list[str]:
    """What failed, by pytest's names; not what could not even be collected."""
    kept = cache / "v/cache/lastfailed"
    return [name for name in json.loads(kept.read_text()) if "::" in name] if kept.exists() else []


def main(cache: Path) -> int:
    names = failed(cache)
    if not 0 < len(names) <= MOST:
        sys.stderr.write(f"{len(names)} tests failed: they are not run once more\n")
        return 1
    return pytest.main(["--color=no", "-o", f"cache_dir={cache}", "-n", "0", "-m", "", *names])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else CACHE))
