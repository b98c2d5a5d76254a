"""The commands `outbox archive …`, as their own process."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from outbox import Outbox
from outbox.archive import Archive
from tests.actors.archives import archive_of, files, store
from tests.actors.archiving import put
from tests.integration.outbox.cli.shell import Shell
from tests.waiting import wait_until


def test_run_once_stores_the_log_and_says_how_much(shell: Shell, orders: Outbox, tmp_path: Path) -> None:
    put(orders, 30)
    place = tmp_path / "archive"
    ran = shell.run("archive", "run", "shop:orders", "--to", str(place), "--format", "jsonl.zst", "--once")

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "30 record(s)" in ran.stdout
    assert list(Archive(place).read()) == list(orders.read())
    verified = shell.run("archive", "verify", str(place))
    assert (verified.returncode, verified.stderr) == (0, "")
    assert verified.stdout.startswith(f"{place}: seq 1 to 30, 30 record(s) in 1 chunk(s), ")


def test_run_goes_on_until_it_is_told_to_stop(shell: Shell, orders: Outbox, tmp_path: Path) -> None:
    put(orders, 3)
    process = shell.start("archive", "run", "shop:orders", "--to", str(tmp_path / "archive"), "--name", "all")
    wait_until(lambda: [each.id for each in orders.readers() if each.holder] == ["archive:all"], 30, "it does not work")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)

    assert process.returncode == 0
    assert Archive(tmp_path / "archive", "all").head in (0, 3)


def test_verify_names_a_damaged_chunk_and_ends_with_4(shell: Shell, tmp_path: Path) -> None:
    damaged = files(archive_of(tmp_path / "a", (1, 3), (4, 6)), "chunks")[1]
    damaged.write_bytes(damaged.read_bytes().replace(b"42", b"43"))
    verified = shell.run("archive", "verify", str(tmp_path / "a"))

    assert verified.returncode == 4
    assert verified.stderr.startswith(f"outbox: the chunk main/chunks/{damaged.name} of {tmp_path}/a is damaged: ")


def test_list_and_verify_as_json(shell: Shell, tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a", (1, 3), (4, 6))
    listed = shell.run("archive", "list", str(tmp_path / "a"), "--json").stdout.splitlines()

    assert [json.loads(each)["last"] for each in listed] == [3, 6]
    found = json.loads(shell.run("archive", "verify", str(tmp_path / "a"), "--json").stdout)
    assert found == {
        "chunks": 2, "records": 6, "bytes": sum(entry.bytes for entry in archive.chunks()), "first": 1, "last": 6,
    }  # fmt: skip


def test_list_shows_people_every_chunk(shell: Shell, tmp_path: Path) -> None:
    archive_of(tmp_path / "a", (1, 3), (4, 6))
    shown = shell.run("archive", "list", str(tmp_path / "a")).stdout

    assert len(shown.splitlines()) >= 3
    assert "order.placed" in shown


@pytest.mark.parametrize("command", ["list", "verify"])
def test_a_place_without_an_archive_is_said_to_have_none(command: str, shell: Shell, tmp_path: Path) -> None:
    shown = shell.run("archive", command, str(tmp_path / "typo"))

    assert shown.returncode == 1
    assert "there is no archive 'main'" in shown.stderr


def test_expire_says_what_it_would_remove_and_removes_it_with_yes(shell: Shell, tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a", (1, 3), (4, 6))
    said = shell.run("archive", "expire", str(tmp_path / "a"), "--older-than", "1d")
    assert "would remove 1 chunk(s), 3 record(s)" in said.stdout
    assert len(archive.chunks()) == 2
    done = shell.run("archive", "expire", str(tmp_path / "a"), "--older-than", "1d", "--yes")

    assert "removed 1 chunk(s), 3 record(s)" in done.stdout
    assert [entry.first for entry in archive.chunks()] == [4]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("expire", "{}", "--older-than", "soon"), 2, "--older-than 'soon': give a number and a unit"),
        (("run", "shop:orders", "--to", "{}", "--format", "csv"), 2, "one of jsonl.gz, jsonl, jsonl.zst, parquet"),
        (("run", "shop:orders", "--to", "{}", "--name", "a/b"), 2, "cannot be an archive's name"),
        (("list", "nothing://x"), 2, "cannot be opened"),
        (("run", "shop:orders", "--to", "/dev/null/x", "--once"), 3, "Not a directory"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: tuple[str, ...], code: int, said: str, shell: Shell, orders: Outbox, tmp_path: Path
) -> None:
    put(orders, 1)
    shown = shell.run("archive", *(each.format(tmp_path / "a") for each in arguments))

    assert (shown.returncode, said in shown.stderr, "Traceback" in shown.stderr) == (code, True, False), shown.stderr


def test_inspect_says_in_which_chunk_a_forgotten_message_is(shell: Shell, orders: Outbox, tmp_path: Path) -> None:
    put(orders, 1)
    store(Archive(tmp_path / "a"), range(1, 4))
    id = f"{2:024x}"
    shown = shell.run("inspect", "shop:orders", id, "--archive", str(tmp_path / "a"))
    by_seq = shell.run("inspect", "shop:orders", "2", "--archive", str(tmp_path / "a"), "--json")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"the archive: main/chunks/{1:019d}-{3:019d}.jsonl" in shown.stdout.replace("\n", "")
    assert json.loads(by_seq.stdout)["id"] == id
    assert shell.run("inspect", "shop:orders", id).returncode == 1
