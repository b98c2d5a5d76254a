"""The disk of an archive is full: the command says so, nothing that is half counts, and with room it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from outbox.archive import Archive
from tests.actors.archiving import is_all_of_the_log, put
from tests.actors.order_service import new_outbox

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(120)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("mounts a small file system, which needs root on Linux")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def archive(uri: str, database: str, place: Path) -> subprocess.CompletedProcess[str]:
    program = (
        "from pymongo import MongoClient; from outbox import Outbox; "
        f"orders = Outbox(MongoClient({uri!r})[{database!r}], sequence=False)"
    )
    (place.parent / "shop.py").write_text(program)
    command = [sys.executable, "-m", "outbox", "archive", "run", "shop:orders", "--to", str(place)]
    return subprocess.run(
        [*command, "--format", "jsonl", "--once"], cwd=place.parent, capture_output=True, text=True, check=False
    )


def test_a_full_disk_is_named_and_with_room_it_goes_on(mongo_uri: str, database: Database[Any], disk: Path) -> None:
    orders = new_outbox(database)
    put(orders, 200)
    assert archive(mongo_uri, database.name, disk).returncode == 0
    put(orders, 3000)
    full = archive(mongo_uri, database.name, disk)

    assert full.returncode == 3
    assert "No space left on device" in full.stderr
    assert (Archive(disk).head, Archive(disk).verify().records) == (200, 200)
    assert orders.readers()[0].position == 200
    assert not list(disk.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
    assert archive(mongo_uri, database.name, disk).returncode == 0
    assert is_all_of_the_log(Archive(disk), orders)
