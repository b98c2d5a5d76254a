"""The command `outbox`, as far as no server is needed."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from outbox.cli.app import app

Write = Callable[..., Path]


def test_a_wrong_app_ends_with_2_and_one_line(write: Write) -> None:
    write()
    result = CliRunner().invoke(app, ["status", "shop:order"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("outbox: shop:order: the module 'shop' has no 'order'")


def test_schema_prints_every_types_json_schema(write: Write) -> None:
    write()
    result = CliRunner().invoke(app, ["schema", "shop:orders"])
    assert result.exit_code == 0, result.stderr
    assert list(json.loads(result.stdout)) == ["order.placed", "order.cancelled", "stock.counted", "tree.grown"]


def test_schema_prints_one_types_json_schema(write: Write) -> None:
    write()
    result = CliRunner().invoke(app, ["schema", "shop:orders", "stock.counted"])
    schema = json.loads(result.stdout)
    assert (schema["title"], list(schema["properties"])) == ("StockCounted", ["count"])


def test_schema_of_an_unknown_type_ends_with_2_and_the_nearest_name(write: Write) -> None:
    write()
    result = CliRunner().invoke(app, ["schema", "shop:orders", "order.place"])
    assert result.exit_code == 2
    assert "no message class for 'order.place'; did you mean 'order.placed'?" in result.stderr


def test_schema_export_prints_an_asyncapi_document_of_all_types(write: Write) -> None:
    write()
    result = CliRunner().invoke(app, ["schema", "export", "shop:orders", "--as", "asyncapi"])
    document = json.loads(result.stdout)
    assert document["asyncapi"] == "3.0.0"
    assert document["channels"]["outbox"]["address"] == "shop.outbox"
    assert list(document["components"]["messages"]) == [
        "order.placed",
        "order.cancelled",
        "stock.counted",
        "tree.grown",
    ]


def test_schema_export_prints_the_same_json_schemas_as_schema_alone(write: Write) -> None:
    write()
    exported = CliRunner().invoke(app, ["schema", "export", "shop:orders"])
    assert exported.stdout == CliRunner().invoke(app, ["schema", "shop:orders"]).stdout


@pytest.mark.parametrize(
    "command", ["create", "status", "tail", "schema", "sequence", "readers", "export", "import", "mirror", "discard"]
)
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "module:attribute" in result.stdout


def test_version_is_the_distributions() -> None:
    try:
        version = importlib.metadata.version("mongo-outbox")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("tested from a checkout: nothing is installed that has a version")
    assert CliRunner().invoke(app, ["--version"]).stdout == f"mongo-outbox {version}\n"


@pytest.mark.parametrize("missing", ["typer", "pymongo"])  # one that every command needs, and one that some do
def test_without_the_extra_the_install_line_is_printed(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from outbox.cli import main; main()"
    command = [sys.executable, "-c", program, "status", "shop:orders"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith("pip install '.[relay]', in its clone")
    assert "Traceback" not in ended.stderr
