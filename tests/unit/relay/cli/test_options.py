"""What the commands have in common: one outbox to change, and arguments that are never repeated."""

from __future__ import annotations

from typing import Any, cast

import pytest
from typer.testing import CliRunner

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


def test_a_relay_is_found_whatever_the_order_of_the_hosts_and_no_other_is() -> None:
    assert identity_of(settings()) == identity_of(settings(mongo="mongodb://ann:secret@a,b/?w=1"))
    assert identity_of(settings()) != identity_of(settings(name="search"))
