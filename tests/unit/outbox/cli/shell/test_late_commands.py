"""Commands are loaded when they are called, and no earlier: a list of them says the same without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from outbox.cli.app import app as outbox
from relay.cli.app import app as relay

# Says of each command how it ended, and what it has loaded on top of those before it that takes long to load.
PROGRAM = """
import contextlib, importlib, io, sys
HEAVY = {"asyncio", "bson", "confluent_kafka", "importlib.metadata", "mongoengine", "orjson", "pydantic", "pymongo",
         "reactivex", "rich", "starlette"}
known = set()
for command in sys.argv[1:]:
    sys.argv = command.split()
    main = importlib.import_module(sys.argv[0] + ".cli.app").main
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    print(code, *sorted(HEAVY & sys.modules.keys() - known))
    known |= sys.modules.keys()
"""
LOADED = {
    "relay --help": "0",
    "outbox --help": "0",
    "relay --version": "0 importlib.metadata",
    "relay health --self --mongo mongodb://nowhere --database shop": "1 pydantic",
    "outbox status nothing:orders": "2 asyncio bson pymongo reactivex",
}


def test_a_command_loads_what_it_needs_and_a_probe_no_driver(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, *LOADED]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)

    assert dict(zip(LOADED, said.stdout.splitlines(), strict=True)) == LOADED


@pytest.mark.parametrize("app", [outbox, relay], ids=["outbox", "relay"])
def test_a_list_says_of_each_command_what_the_command_says_of_itself(app: typer.Typer) -> None:
    group: Any = typer.main.get_command(app)
    context = typer.Context(group)

    for name in group.list_commands(context):
        listed, loaded = group.get_command(context, name), group.commands[name]
        widths = range(20, 160, 20)
        assert [listed.get_short_help_str(width) for width in widths] == [
            loaded.get_short_help_str(width) for width in widths
        ]
        assert loaded.name == name


def test_a_command_that_does_not_exist_is_refused_with_the_nearest_name() -> None:
    refused = CliRunner().invoke(outbox, ["statu", "shop:orders"])

    assert refused.exit_code == 2
    assert "No such command 'statu'. Did you mean 'status'?" in refused.stderr
