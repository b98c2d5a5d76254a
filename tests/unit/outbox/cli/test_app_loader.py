"""APP names an Outbox, or is told which part of it is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from outbox import Outbox
from outbox.cli.app_loader import InvalidApplication, load

Write = Callable[..., Path]


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
