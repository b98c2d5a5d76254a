"""The commands `outbox export` and `outbox import`, as their own processes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from outbox import Outbox
from outbox.archive import Archive
from outbox.archive.line import record
from tests.actors.archiving import put, run_once
from tests.actors.order_service import StockCounted, placed
from tests.actors.transferring import another, exported, messages
from tests.integration.outbox.cli.shell import Shell
from tests.waiting import wait_until

COPY = 'copy = Outbox(orders.collections.database, "copy", messages=MESSAGES, sequence=False)\n'


@pytest.fixture
def copy(shell: Shell, database: Database[Any], tmp_path: Path) -> Outbox:
    with (tmp_path / "shop.py").open("a") as application:
        application.write(COPY)
    return another(database)


def test_what_is_exported_is_imported_through_a_pipe_once(shell: Shell, orders: Outbox, copy: Outbox) -> None:
    put(orders, 30)
    out = shell.run("export", "shop:orders", "-")
    assert (out.returncode, out.stderr) == (0, "")
    assert out.stdout.encode().splitlines(keepends=True) == exported(orders)

    first, second = [shell.run("import", "shop:copy", "-", given=out.stdout) for _ in range(2)]
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == f"{copy.collections.log.full_name}: 30 message(s) put, 0 were there already\n"
    assert second.stdout == f"{copy.collections.log.full_name}: 0 message(s) put, 30 were there already\n"
    copy.sequence()
    assert messages(copy) == messages(orders)


def test_a_file_is_written_whole_and_read(shell: Shell, orders: Outbox, copy: Outbox, tmp_path: Path) -> None:
    put(orders, 3)
    assert shell.run("export", "shop:orders", "all.jsonl").returncode == 0
    assert shell.run("export", "shop:orders", "none.jsonl", "--from", "9").returncode == 2
    assert shell.run("import", "shop:copy", "all.jsonl").returncode == 0

    assert sorted(file.name for file in tmp_path.glob("*.jsonl*")) == ["all.jsonl"]
    assert copy.sequence() == 3


def test_options_choose_what_is_exported(shell: Shell, orders: Outbox, tmp_path: Path) -> None:
    orders.put([placed(0), StockCounted(count=1), placed(2, "43"), placed(3)], standalone=True)
    orders.sequence()
    run_once(orders, Archive(tmp_path / "archive"))
    options = ("--from", "0", "--to", "3", "--types", "order.placed,stock.counted", "--archive", "archive")
    chosen = shell.run("export", "shop:orders", *options)
    of_a_key = shell.run("export", "shop:orders", "-", "--key", "43")

    assert chosen.stderr == of_a_key.stderr == ""
    assert [record(line.encode()).seq for line in chosen.stdout.splitlines()] == [1, 2, 3]
    assert [record(line.encode()).seq for line in of_a_key.stdout.splitlines()] == [3]


def test_a_pipe_that_is_closed_ends_it_quietly_and_not_as_a_success(
    shell: Shell, orders: Outbox, tmp_path: Path
) -> None:
    for _ in range(4):
        orders.put([placed(0, note="x" * 2000) for _ in range(100)], standalone=True)
        orders.sequence()
    process = shell.start("export", "shop:orders")
    assert process.stdout is not None
    assert process.stdout.readline().startswith('{"seq":1,')
    process.stdout.close()

    assert process.stderr is not None
    assert (process.wait(60), process.stderr.read()) == (141, "")


def test_a_line_that_is_refused_ends_it_with_4_and_is_named(shell: Shell, orders: Outbox, copy: Outbox) -> None:
    put(orders, 3)
    lines = [line.decode() for line in exported(orders)]
    wrong = "".join([*lines[:2], lines[2].replace('"total":2', '"total":-2')])
    refused = shell.run("import", "shop:copy", "-", given=wrong)

    assert (refused.returncode, refused.stdout) == (4, "")
    assert refused.stderr.startswith(f"outbox: line 3 (id {record(lines[2].encode()).id}) cannot be imported: ")
    assert "data.total: minimum 0" in refused.stderr
    again = shell.run("import", "shop:copy", "-", given="".join(lines))
    assert again.stdout.endswith(": 1 message(s) put, 2 were there already\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("export", "shop:orders", "-", "--from", "soon"), 2, "--from 'soon' is neither a seq nor a date"),
        (("export", "shop:orders", "-", "--to", "earliest"), 2, "--to 'earliest'"),
        (("export", "shop:orders", "-", "--types", "order.place"), 2, "did you mean 'order.placed'?"),
        (("export", "shop:orders", "-", "--from", "5", "--to", "3"), 2, "--from 5 --to 3: it ends before it begins"),
        (("export", "shop:orders", "/dev/null/x"), 2, "/dev/null/x cannot be written"),
        (("export", "shop:orders", "/dev/full"), 2, "/dev/full cannot be written: [Errno 28]"),
        (("export", "shop:orders", ""), 2, "cannot be written: [Errno 21] it is a folder"),
        (("import", "shop:orders", "nothing.jsonl"), 2, "nothing.jsonl cannot be read"),
        (("export", "shop:orders", "-", "--archive", "/dev/null/x"), 3, "cannot be read"),
        (("mirror", "shop:orders", "--to", "shop:orders", "--once"), 2, "cannot be mirrored into itself"),
        (
            ("mirror", "shop:orders", "--to", "shop:orders", "--on-poison", "drop"),
            2,
            "one of stop, dead-letter, park-key",
        ),
    ],
)
def test_what_is_wrong_is_said(arguments: tuple[str, ...], code: int, said: str, shell: Shell, orders: Outbox) -> None:
    put(orders, 1)
    shown = shell.run(*arguments)

    assert (shown.returncode, said in shown.stderr, "Traceback" in shown.stderr) == (code, True, False), shown.stderr


def test_mirror_goes_on_until_it_is_told_to_stop(shell: Shell, orders: Outbox, copy: Outbox) -> None:
    put(orders, 3)
    process = shell.start("mirror", "shop:orders", "--to", "shop:copy", "--name", "b")
    wait_until(lambda: copy.collections.staging.count_documents({}) == 3, 60, "it to bring them")
    assert [each.id for each in orders.readers() if each.holder] == ["mirror:b"]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)

    assert process.returncode == 0
    copy.sequence()
    assert messages(copy) == messages(orders)


@pytest.mark.parametrize(
    ("redirected", "said"),
    [
        ("export shop:orders >&-", "- cannot be written: [Errno 9] it is closed"),
        ("export shop:orders >/dev/full", "outbox: the output cannot be written: No space left on device"),
        ("import shop:orders <&-", "- cannot be read: [Errno 9] it is closed"),
    ],
)
def test_a_shell_that_gives_no_stdin_or_stdout_is_told_so(
    redirected: str, said: str, shell: Shell, orders: Outbox
) -> None:
    put(orders, 1)
    shown = shell.redirected(redirected)

    assert (shown.returncode, shown.stderr.count("\n")) == (2, 1), shown.stderr
    assert said in shown.stderr


def test_a_pipe_with_a_name_or_a_link_is_written_to_and_stays_one(shell: Shell, orders: Outbox, tmp_path: Path) -> None:
    put(orders, 2)
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    named, linked = shell.redirected("export shop:orders /dev/stdout"), shell.redirected("export shop:orders link")

    assert (named.returncode, named.stderr, named.stdout.count("\n")) == (0, "", 2)
    assert (linked.returncode, linked.stderr, link.is_symlink()) == (0, "", True)
    assert target.read_text() == named.stdout
