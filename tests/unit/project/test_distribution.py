"""How the tests are spread over processes."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from tests import distribution
from tests.distribution import SECONDS, pytest_xdist_auto_num_workers, seconds_of

TESTS = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    monkeypatch.setattr(distribution, "WORKER_BYTES", 1)


def workers(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, *given: str) -> int:
    monkeypatch.setattr(pytestconfig, "args", list(given))
    return pytest_xdist_auto_num_workers(pytestconfig)


def test_a_file_that_is_named_runs_in_this_process(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert workers(pytestconfig, monkeypatch, __file__, f"{__file__}::test_that_is_named") == 0


def test_a_folder_gets_three_processes_a_core(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers(pytestconfig, monkeypatch, str(TESTS)) == 2 * (os.cpu_count() or 1)


def test_little_memory_gets_fewer_and_never_none(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "WORKER_BYTES", 1024**5)
    assert workers(pytestconfig, monkeypatch, str(TESTS)) == 1


def test_the_environment_decides_when_it_says_how_many(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "4")
    assert workers(pytestconfig, monkeypatch, str(TESTS)) == 4


def test_every_file_that_was_measured_is_there_still() -> None:
    measured = tomllib.loads(SECONDS.read_text())
    assert [file for file in measured if not (TESTS / file).exists()] == []
    assert all(seconds_of(TESTS / file) == seconds for file, seconds in measured.items())


def test_a_file_that_is_not_listed_is_begun_before_the_many_short_ones() -> None:
    assert 0 < seconds_of(TESTS / "unit" / "test_brand_new.py") <= min(tomllib.loads(SECONDS.read_text()).values())
