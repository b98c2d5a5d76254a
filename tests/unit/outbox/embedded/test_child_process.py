"""A child ends when it is told to, or when this process does, and what it says is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outbox.embedded.child_process import ChildProcess
from tests.actors.processes import runs
from tests.waiting import wait_until

FOR_EVER = "import sys, threading; print('here', flush=True); threading.Event().wait()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + FOR_EVER

Start = Callable[..., ChildProcess]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "child.log"


@pytest.fixture
def start(log: Path) -> Iterator[Start]:
    """Starts a Python program as a child, which ends with the test at the latest."""
    children: list[ChildProcess] = []

    def start(program: str, **options: Any) -> ChildProcess:
        children.append(ChildProcess([sys.executable, "-c", program], log=log, **options))
        return children[-1]

    yield start
    for child in children:
        child.kill()


def listening(child: ChildProcess, log: Path) -> ChildProcess:
    """The same child, once it has said that it is there."""
    wait_until(lambda: "here" in log.read_text(), 30, "the child to begin")
    return child


def test_what_a_child_says_is_appended_to_its_log(start: Start, log: Path) -> None:
    log.write_text("before\n")

    start("import sys; print('out', flush=True); print('err', file=sys.stderr)").wait(30)

    assert log.read_text() == "before\nout\nerr\n"


@pytest.mark.parametrize("code", [0, 7])
def test_its_exit_code_is_kept(start: Start, code: int) -> None:
    child = start(f"raise SystemExit({code})")

    assert child.wait(30) == code
    assert child.exit_code == code


def test_a_child_that_runs_has_no_exit_code_and_is_not_waited_for_longer_than_asked(start: Start, log: Path) -> None:
    child = listening(start(FOR_EVER), log)

    with pytest.raises(TimeoutError, match=f"process {child.pid} still runs after 0.01 s"):
        child.wait(0.01)

    assert child.exit_code is None


def test_a_child_is_asked_to_end(start: Start, log: Path) -> None:
    child = listening(start(FOR_EVER), log)

    child.stop()

    assert child.exit_code == -signal.SIGTERM


def test_a_child_may_end_in_its_own_way_when_it_is_asked_to(start: Start, log: Path) -> None:
    program = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); " + FOR_EVER
    child = listening(start(program), log)

    child.stop()

    assert child.exit_code == 3


def test_a_child_that_does_not_listen_is_killed(start: Start, log: Path) -> None:
    child = listening(start(DEAF), log)

    child.stop(0.01)

    assert child.exit_code == -signal.SIGKILL


def test_a_child_that_does_not_listen_is_killed_at_once_when_that_is_wanted(start: Start, log: Path) -> None:
    child = listening(start(DEAF), log)

    child.kill()

    assert child.exit_code == -signal.SIGKILL


@pytest.mark.parametrize("end", [ChildProcess.stop, ChildProcess.kill])
def test_a_child_that_has_ended_cannot_be_ended_again(start: Start, end: Callable[[ChildProcess], None]) -> None:
    child = start("raise SystemExit(7)")
    child.wait(30)

    end(child)

    assert child.exit_code == 7


def test_a_child_has_nothing_to_read(start: Start) -> None:
    assert start("import sys; sys.exit(len(sys.stdin.read()))").wait(30) == 0


def test_ctrl_c_in_the_terminal_does_not_reach_a_child(start: Start, log: Path) -> None:
    child = listening(start(FOR_EVER), log)

    assert os.getsid(child.pid) == child.pid != os.getsid(0)


@pytest.mark.parametrize("command", [["/no/such/program"], [Path(__file__)]], ids=["missing", "no program"])
def test_what_cannot_be_started_is_an_error(command: list[str | Path], log: Path) -> None:
    with pytest.raises(OSError, match=str(command[0])):
        ChildProcess(command, log=log)


def test_the_scratch_folder_of_a_child_that_was_stopped_is_left_to_its_owner(start: Start, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    start(FOR_EVER, scratch=scratch).stop()

    assert scratch.exists()


@pytest.mark.parametrize("killed_by", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_and_its_scratch_folder_go_when_its_parent_is_killed(tmp_path: Path, killed_by: signal.Signals) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    parent = f"""
import sys
from pathlib import Path
from outbox.embedded.child_process import ChildProcess
child = ChildProcess([sys.executable, "-c", {DEAF!r}], log=Path({str(tmp_path / "log")!r}), scratch=Path(sys.argv[1]))
print(child.pid, flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-P", "-c", parent, str(scratch)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        wait_until(lambda: "here" in (tmp_path / "log").read_text(), 30, "the child to begin")
        process.send_signal(killed_by)

    wait_until(lambda: not runs(pid), 30, "the child to end")
    wait_until(lambda: not scratch.exists(), 30, "its scratch folder to go")
