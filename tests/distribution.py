"""How the tests are spread over processes: how many there are, and which file is begun first.

`pytest` runs folders in several processes, each with servers of its own, which start when a test first asks for them.
Files and single tests that are named run in this process, where a debugger can look at them: also all, with `-n0`.
"""

from __future__ import annotations

import functools
import os
import tomllib
from pathlib import Path

import pytest

WORKERS_A_CORE = 2  # with three the cores were at their limit throughout, and what waits for seconds waited in vain
WORKER_BYTES = 2 * 1024**3  # a mongod, a Kafka, and now and then three mongods more
UNLISTED_SECONDS = 10.0  # of a new file: early rather than late
SECONDS = Path(__file__).with_suffix(".toml")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """What `-n auto` stands for."""
    given = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS")
    if given is not None:
        return int(given)
    if all(Path(each.partition("::")[0]).is_file() for each in config.args):
        return 0
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else WORKER_BYTES
    return max(1, min(WORKERS_A_CORE * (os.cpu_count() or 1), memory // WORKER_BYTES))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest file first, so that no process is left alone with it in the end. One process keeps to the order."""
    if config.getoption("dist") != "no" or hasattr(config, "workerinput"):
        items.sort(key=lambda item: -seconds_of(item.path))


def seconds_of(file: Path) -> float:
    """How long the file took when it was last measured."""
    return _measured().get(file.relative_to(SECONDS.parent).as_posix(), UNLISTED_SECONDS)


@functools.cache
def _measured() -> dict[str, float]:
    return {file: float(seconds) for file, seconds in tomllib.loads(SECONDS.read_text()).items()}
