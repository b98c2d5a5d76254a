"""The command `outbox`, as far as no server is needed."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from outbox import Outbox
from outbox.cli.app import app, start_of
from outbox.cli.app_loader import InvalidApplication, load
from outbox.errors import InvalidStart

SHOP = """
from pymongo import MongoClient
from outbox import Outbox
from tests.actors.order_service import MESSAGES, OrderPlaced

client = MongoClient(connect=False)
orders = Outbox(client.shop, messages=MESSAGES)
def made(): return orders
def failing(): raise ZeroDivisionError("no orders today")
def needing(argument): return orders
client.close()
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes the module `shop` (or another) where APP is looked for, and forgets it afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)

    def write(source: str = SHOP, name: str = "shop") -> Path:
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return tmp_path

    yield write
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("attribute", ["orders", "made"])
def test_app_is_an_outbox_or_a_function_that_returns_one(write: Write, attribute: str) -> None:
    assert isinstance(load(f"shop:{attribute}", write()), Outbox)


@pytest.mark.parametrize("text", ["shop", "shop:", ":orders", "shop:or ders", "shop.py:orders/", "shop..x:orders"])
def test_app_that_is_not_module_and_attribute_is_refused(write: Write, text: str) -> None:
    with pytest.raises(InvalidApplication, match="is not `module:attribute`"):
        load(text, write())


def test_a_misspelt_attribute_gets_the_nearest_outbox_suggested(write: Write) -> None:
    with pytest.raises(InvalidApplication, match="has no 'order'; did you mean 'orders'"):
        load("shop:order", write())


def test_a_misspelt_module_gets_the_nearest_one_of_the_folder_suggested(write: Write) -> None:
    with pytest.raises(InvalidApplication, match=r"no module 'shopp' in .*; did you mean 'shop'"):
        load("shopp:orders", write())


def test_a_missing_package_of_a_dotted_module_is_named(write: Write) -> None:
    with pytest.raises(InvalidApplication, match="there is no module 'warehouse'"):
        load("warehouse.stock:orders", write())


def test_a_module_that_misses_an_import_of_its_own_is_not_taken_for_a_missing_module(write: Write) -> None:
    folder = write("import warehouse_stock\n")
    with pytest.raises(InvalidApplication, match=r"importing 'shop' failed: ModuleNotFoundError.*shop\.py, line 1"):
        load("shop:orders", folder)


@pytest.mark.parametrize("source", ["1 / 0", "def f(:", "raise SystemExit(1)"])
def test_a_module_that_raises_is_told_with_its_file(write: Write, source: str) -> None:
    with pytest.raises(InvalidApplication, match=r"(?s)importing 'shop' failed: .*shop\.py"):
        load("shop:orders", write(source))


def test_a_function_that_raises_is_told_with_its_place(write: Write) -> None:
    with pytest.raises(InvalidApplication, match=r"failed: ZeroDivisionError: no orders today \(.*shop\.py, line 9\)"):
        load("shop:failing", write())


def test_a_function_that_needs_arguments_is_refused(write: Write) -> None:
    with pytest.raises(InvalidApplication, match="calling it without arguments failed: TypeError"):
        load("shop:needing", write())


def test_an_attribute_that_is_no_outbox_is_told_by_its_type(write: Write) -> None:
    with pytest.raises(InvalidApplication, match="shop:client is of type MongoClient, not an Outbox"):
        load("shop:client", write())


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


@pytest.mark.parametrize("command", ["create", "status", "tail", "schema", "sequence"])
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "module:attribute" in result.stdout


@pytest.mark.parametrize("text", ["first", "0x1", "-1", "2025-13-01"])
def test_a_start_that_is_none_is_refused_before_a_server_is_asked(text: str) -> None:
    with pytest.raises(InvalidStart, match="earliest, latest, a seq, a date"):
        start_of(text)


def test_version_is_the_distributions() -> None:
    try:
        version = importlib.metadata.version("mongo-outbox")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("tested from a checkout: nothing is installed that has a version")
    assert CliRunner().invoke(app, ["--version"]).stdout == f"mongo-outbox {version}\n"


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_the_install_line_is_printed(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from outbox.cli import main; main()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith("pip install '.[relay]', in its clone")
    assert "Traceback" not in ended.stderr
