"""Takes one guard after the other out of the code, and runs the test that must turn red then.

    python -m tests.mutation.mutations              # all of them, some 15 minutes
    python -m tests.mutation.mutations retention    # those whose name has this in it

Works on a copy. Ends with 1 when a test stays green: then nothing would notice that the guard is gone. The table in
docs/guarantees.md has the same guards and tests; tests/unit/project/test_mutations.py sees to that, and that each of
these still fits the code.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PARTS = ("outbox", "relay", "tests", "pyproject.toml")
SECONDS = 600


class Mutation(NamedTuple):
    """`old` occurs once in `file`; with `new` in its place the guard is gone, and `test` must fail."""

    guard: str
    file: str
    old: str
    new: str
    test: str


def mutations() -> list[Mutation]:
    """Those of mutations.toml."""
    found = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    return [Mutation(**each) for each in found["mutation"]]


def copy(folder: Path) -> None:
    """The sources and the tests, to be broken there."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)


def turns_red(mutation: Mutation, folder: Path) -> tuple[bool, str]:
    """Whether the test fails with the guard taken out, and what pytest said. An error or a timeout does not count."""
    file = folder / mutation.file
    whole = file.read_text()
    assert whole.count(mutation.old) == 1, f"{mutation.file} has {mutation.old!r} not exactly once"
    file.write_text(whole.replace(mutation.old, mutation.new))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "", mutation.test]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    finally:
        file.write_text(whole)
    said = done.stdout + done.stderr
    return re.search(r"^\d+ failed", said, re.MULTILINE) is not None and "Failed: Timeout" not in said, said


def _why(said: str) -> str:
    """The first failure in pytest's words, or its last words when there is none."""
    found = re.search(r"^E +.+$", said.partition("= FAILURES =")[2], re.MULTILINE)
    return said[-2000:] if found is None else found[0][:200]


def main(arguments: Sequence[str] | None = None) -> int:
    wanted = sys.argv[1:] if arguments is None else list(arguments)
    green = 0
    with tempfile.TemporaryDirectory(prefix="outbox-mutations-") as name:
        copy(Path(name))
        for mutation in mutations():
            if wanted and not any(each in mutation.guard for each in wanted):
                continue
            is_red, said = turns_red(mutation, Path(name))
            green += not is_red
            print(f"{'red' if is_red else 'GREEN':6}{mutation.guard}: {mutation.test}\n{_why(said)}", flush=True)
    return 1 if green else 0


if __name__ == "__main__":
    sys.exit(main())
