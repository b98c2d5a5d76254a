"""What the commands have in common: one outbox to change, and arguments that are never repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from relay.address import hosts_of
from relay.cli import options
from relay.cli.app import app
from relay.cli.options import Opened, identity_of, only
from relay.cli.settings import OutboxSettings
from relay.errors import InvalidSettings


def settings(**fields: str) -> OutboxSettings:
    return OutboxSettings.model_validate({"mongo": "mongodb://b,a", "database": "shop", **fields})


def opened(*outboxes: OutboxSettings) -> Opened:
    return [(each, cast("Any", None)) for each in outboxes]


def test_a_command_that_changes_something_works_on_one_outbox() -> None:
    orders, prices = settings(), settings(outbox="prices")

    assert only(opened(orders)) == (orders, None)
    with pytest.raises(InvalidSettings, match="choose one with --outbox"):
        only(opened(orders, prices))


def test_an_argument_too_many_is_refused_and_not_repeated() -> None:
    result = CliRunner().invoke(app, ["status", "hunter2"])

    assert result.exit_code == 2
    assert "an argument too many" in result.output
    assert "hunter2" not in result.output


@pytest.mark.parametrize(
    "rest",
    [
        "a", "B.example:27017,a", "ann:secret@a", "ann:p/a@b?c@a:1,b/?w=1", "ann:secret@a,b/shop?a=b:c", "a:59999",
        "a:60000", "[::1]:27017,a", "%2Ftmp%2Fa.sock", "a.sock,b", "a:0", "a,", "", "@", "a:port", "a:01", "é", "a?x@b",
        "a\n", "a b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv", "mongo"])
def test_the_hosts_of_a_relay_s_identity_are_those_that_the_driver_finds(scheme: str, rest: str) -> None:
    def found(of: Callable[[str], list[str]]) -> list[str] | str:
        try:
            return of(f"{scheme}://{rest}")
        except InvalidSettings as refused:
            return str(refused)

    assert found(options._hosts) == found(hosts_of)


def test_a_relay_is_found_whatever_the_order_of_the_hosts_and_no_other_is() -> None:
    assert identity_of(settings()) == identity_of(settings(mongo="mongodb://ann:secret@a,b/?w=1"))
    assert identity_of(settings()) != identity_of(settings(name="search"))
