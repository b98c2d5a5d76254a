"""`python -m bench compare`, with a kit that only writes down what it was asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = """#!/bin/bash
echo "$DOC $COLL $*" >>"$WORK/asked"
mkdir -p "$WORK/results"
echo '{"duplicates": 250000, "missing": 0}' >>"$WORK/results/crash.jsonl"
"""
STACK = """#!/bin/bash
echo "stack $*" >>"$WORK/asked"
"""


@pytest.fixture
def kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Also on the PATH what the kit needs, and where it is told to find the relay."""
    folder, tools, work = (tmp_path / name for name in ("kit", "tools", "work"))
    for each in (folder, tools, work):
        each.mkdir()
    (folder / "b.sh").write_text(RUN)
    (folder / "stack.sh").write_text(STACK)
    for name in ("setup.sh", "settings.env"):
        (folder / name).write_text("")
    for name in ("java", "mvn", "relay"):
        (tools / name).touch(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OUTBOX_BIN", str(tools))
    monkeypatch.setenv("WORK", str(work))
    return folder


def compare(kit: Path, into: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", "compare", "--yardstick", str(kit), "--into", str(into), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_all_relays_are_run_in_turns_between_up_and_down(kit: Path, tmp_path: Path) -> None:
    done = compare(kit, tmp_path / "into", "--only", "crash", "--rounds", "2")
    assert done.returncode == 0, done.stderr
    ours, others = "staging outbox crash outbox", ("mongo-source-tuned", "debezium-tuned")
    one_round = [ours, *(f"aggregate events crash {other}" for other in others)]
    asked = (tmp_path / "work/asked").read_text().splitlines()
    assert asked == ["stack down", "stack wipe", "stack up", *one_round, *one_round, "stack down"]


def test_its_figures_are_in_the_file_the_table_and_the_picture(kit: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    done = compare(kit, into, "--only", "crash", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    figures = json.loads((into / "compare.json").read_text())["crash outbox"]["metrics"]
    assert figures["repeated after SIGKILL"]["median"] == 250_000
    assert "| repeated after SIGKILL | 250,000 | 250,000 | 250,000 |" in (into / "compare.md").read_text()
    assert "250,000" in (into / "compare.svg").read_text()
    assert (into / "compare.png").exists()


def test_a_folder_that_is_no_kit_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    done = compare(tmp_path, tmp_path / "into")
    assert done.returncode == 2
    assert "b.sh" in done.stderr
    assert "not part of this repository" in " ".join(done.stderr.split())


def test_a_relay_that_fails_is_told_and_the_others_are_measured(kit: Path, tmp_path: Path) -> None:
    (kit / "b.sh").write_text(
        RUN.replace("mkdir", '[ "$2" != debezium-tuned ] || { echo no space left; exit 1; }; mkdir')
    )
    into = tmp_path / "into"
    done = compare(kit, into, "--only", "crash", "--rounds", "1")
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert "without figures: [1/1] crash debezium-tuned" in done.stderr
    assert set(json.loads((into / "compare.json").read_text())) == {"crash outbox", "crash mongo-source-tuned"}
    assert (into / "compare.png").exists()
    assert (tmp_path / "work/asked").read_text().splitlines()[-1] == "stack down"
