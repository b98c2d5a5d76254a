"""The sign of life that `relay health --self` looks for."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from outbox.testing import FakeClock
from relay.monitoring import alive
from relay.monitoring.alive import FRESH_SECONDS, STUCK_SECONDS, Pulse, SignOfLife, dead, identity

ID = identity(["db1", "db2"], "shop", "orders", "kafka")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


def test_a_relay_that_shows_life_is_alive_until_it_ends(tmp_path: Path, clock: FakeClock) -> None:
    sign = SignOfLife([ID], clock, tmp_path)
    sign.show([Pulse(clock)])

    assert dead(ID, clock, tmp_path) is None
    sign.close()
    assert dead(ID, clock, tmp_path) == "no relay with this configuration runs here"


def test_the_last_to_end_leaves_no_folder(tmp_path: Path, clock: FakeClock) -> None:
    folder, other = tmp_path / "signs", identity(["db1"], "shop", "orders", "other")
    signs = [SignOfLife([each], clock, folder) for each in (ID, other)]
    for sign in signs:
        sign.show([Pulse(clock)])

    signs[0].close()
    assert dead(other, clock, folder) is None
    signs[1].close()
    assert not folder.exists()


def test_another_configuration_is_not_meant(tmp_path: Path, clock: FakeClock) -> None:
    SignOfLife([ID], clock, tmp_path).show([Pulse(clock)])

    assert dead(identity(["db2", "db1"], "shop", "orders", "kafka"), clock, tmp_path) is None
    assert dead(identity(["db1", "db2"], "shop", "orders", "other"), clock, tmp_path) is not None


def test_a_process_that_stands_still_is_dead(tmp_path: Path, clock: FakeClock) -> None:
    SignOfLife([ID], clock, tmp_path).show([Pulse(clock)])
    clock.advance(FRESH_SECONDS)

    assert dead(ID, clock, tmp_path) == f"the relay of process {os.getpid()} has given no sign of life for 10 s"


def test_a_relay_whose_loop_stands_still_shows_no_life(tmp_path: Path, clock: FakeClock) -> None:
    sign, fine, stuck = SignOfLife([ID], clock, tmp_path), Pulse(clock), Pulse(clock)
    sign.show([fine, stuck])
    clock.advance(STUCK_SECONDS)
    fine.is_set()
    sign.show([fine, stuck])

    assert dead(ID, clock, tmp_path) is not None
    stuck.wait(0)
    sign.show([fine, stuck])
    assert dead(ID, clock, tmp_path) is None


def test_what_a_killed_process_has_left_does_not_count(tmp_path: Path, clock: FakeClock) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f"{ID}-{gone.pid}").write_text("1.0")

    assert dead(ID, clock, tmp_path) == "no relay with this configuration runs here"
    SignOfLife([ID], clock, tmp_path).show([Pulse(clock)])
    assert dead(ID, clock, tmp_path) is None


def test_a_sign_from_before_the_machine_was_started_is_old(tmp_path: Path, clock: FakeClock) -> None:
    SignOfLife([ID], clock, tmp_path).show([Pulse(clock)])
    since_started = FakeClock(5.0)

    assert dead(ID, since_started, tmp_path) is not None


def test_a_folder_that_cannot_be_written_to_is_told_once(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    sign = SignOfLife([ID], clock, tmp_path / "file")
    for _ in range(2):
        sign.show([Pulse(clock)])
        clock.advance(60)
    sign.close()

    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("`relay health --self` will find nothing: ")


def test_where_there_is_no_temporary_folder_the_relay_works_and_says_so(
    tmp_path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setattr(alive, "NOWHERE", str(tmp_path / "missing"))
    sign = SignOfLife([ID], clock)
    sign.show([Pulse(clock)])
    sign.close()

    assert caplog.messages[0].startswith("`relay health --self` will find nothing: ")
    assert dead(ID, clock) == "no relay with this configuration runs here"


def test_what_somebody_else_put_in_its_place_is_not_followed(tmp_path: Path, clock: FakeClock) -> None:
    (victim := tmp_path / "victim").write_text("precious")
    (tmp_path / f"{ID}-{os.getpid()}").symlink_to(victim)
    (tmp_path / f".{ID}-{os.getpid()}").symlink_to(victim)

    SignOfLife([ID], clock, tmp_path).show([Pulse(clock)])

    assert victim.read_text() == "precious"
