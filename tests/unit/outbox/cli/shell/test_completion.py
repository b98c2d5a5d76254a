"""What the tab key completes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from outbox.cli.app import app as outbox
from outbox.cli.shell.completion import applications, join_words, joined
from relay.cli.app import app as relay

SHOP = """
import os, outbox
from outbox import Outbox
from outbox.contrib.django import DjangoOutbox
raise RuntimeError("this module must not be imported")
orders = Outbox(client.shop)
payments = outbox.Outbox(client.shop, name="payments")
tickets = DjangoOutbox()
declared: Outbox = make()
def made() -> Outbox: ...
def quoted() -> "Outbox": ...
def wants(client) -> Outbox: ...
def other() -> int: ...
client = MongoClient()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text(SHOP)
    return tmp_path


def completed(app: typer.Typer, name: str, *words: str) -> list[str]:
    """The completions of the last word, as bash gets them."""
    environment = {f"_{name.upper()}_COMPLETE": "complete_bash", "COMP_CWORD": str(len(words))}
    shown = CliRunner().invoke(app, [], prog_name=name, env={**environment, "COMP_WORDS": "\n".join([name, *words])})
    assert "Traceback" not in shown.output
    return shown.stdout.split()


def test_applications_are_what_the_sources_say_and_no_module_is_imported() -> None:
    named = ("declared", "made", "orders", "payments", "quoted", "tickets")
    assert applications("") == [f"shop:{name}" for name in named]
    assert applications("shop:p") == ["shop:payments"]
    assert applications("other") == []


def test_modules_of_packages_are_found_and_environments_passed_over(folder: Path) -> None:
    for place in ("shops/__init__.py", "shops/web/app.py", ".hidden/a.py", "env/lib/b.py", "node_modules/c.py"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text("orders = Outbox(1)")
    (folder / "env" / "pyvenv.cfg").touch()
    (folder / "broken.py").write_text("orders = Outbox(")

    assert applications("shops") == ["shops.web.app:orders", "shops:orders"]
    assert {each.partition(":")[0] for each in applications("")} == {"shop", "shops", "shops.web.app"}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("sta",), ["status"]),
        (("readers", "shop:orders", "re"), ["reset", "resume"]),
        (("archive", "v"), ["verify"]),
        (("status", "shop:orders", "--js"), ["--json"]),
        (("status", "shop:or"), ["shop:orders"]),
        (("readers", "shop:or"), ["shop:orders"]),
        (("schema", "shop:or"), ["shop:orders"]),
        (("mirror", "shop:orders", "--to", "shop:pay"), ["shop:payments"]),
        (("mirror", "shop:orders", "--on-poison", ""), ["stop", "dead-letter", "park-key"]),
        (("archive", "run", "shop:orders", "--format", "p"), ["parquet"]),
        (("sequence", "shop:orders", "--log-format", "j"), ["json"]),
    ],
)
def test_outbox_completes_commands_options_applications_and_words(words: tuple[str, ...], expected: list[str]) -> None:
    assert completed(outbox, "outbox", *words) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("cur",), ["cursor"]),
        (("cursor", ""), ["show", "set", "forget"]),
        (("run", "--log-"), ["--log-level", "--log-format"]),
        (("run", "--encoding", "cloud"), ["cloudevents", "cloudevents-structured"]),
        (("run", "too", "many", "--exa"), ["--exactly-once"]),
        (("replay", "--on-poison", "d"), ["dead-letter"]),
    ],
)
def test_relay_completes_commands_options_and_words(words: tuple[str, ...], expected: list[str]) -> None:
    assert completed(relay, "relay", *words) == expected


@pytest.mark.parametrize(
    ("words", "whole", "current"),
    [
        (["outbox", "status", "shop", ":", "or"], ["outbox", "status"], "shop:or"),
        (["outbox", "status", "shop", ":"], ["outbox", "status"], "shop:"),
        (["outbox", "status", "sh"], ["outbox", "status"], "sh"),
        (["outbox", "status", "shop", ":", "orders", ""], ["outbox", "status", "shop:orders"], ""),
        (["relay", "run", "--kafka", "h", ":", "9", "--lo"], ["relay", "run", "--kafka", "h:9"], "--lo"),
    ],
)
def test_words_that_bash_has_parted_at_colons_are_joined(words: list[str], whole: list[str], current: str) -> None:
    assert joined(words, len(words) - 1) == (whole, current)


def test_without_bash_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMP_CWORD", raising=False)
    join_words()

    assert "COMP_WORDS" not in os.environ


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_gets_what_it_puts_behind_the_colon(folder: Path) -> None:  # by the real one: two starts of the program
    program = folder / "bin" / "outbox"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c 'from outbox.cli import main; main()' \"$@\"\n"
    )
    program.chmod(0o755)
    script = (
        "source <(outbox --show-completion); COMP_WORDS=(outbox status shop : or); COMP_CWORD=4\n"
        '_outbox_completion outbox; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    shown = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (shown.stdout, shown.stderr) == ("orders\n", "")
