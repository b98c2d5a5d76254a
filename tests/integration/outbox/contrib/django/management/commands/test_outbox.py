"""`manage.py outbox create|status|relay|consumers`."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from tests.actors import django_shop
from tests.actors.django_shop import orders
from tests.actors.order_service import placed
from tests.waiting import wait_until


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("outbox", *arguments, stdout=out)
    return out.getvalue()


def test_create_then_status(connection: Any) -> None:
    with pytest.raises(CommandError, match="create"):
        command("status")
    assert "is ready: order.placed, order.cancelled" in command("create")
    orders.put(placed(1), standalone=True)
    orders.outbox.sequence()
    assert f"{connection.settings_dict['NAME']}:outbox: 1 to 1 in the log" in command("status")
    assert json.loads(command("status", "--json"))["head"] == 1


def test_consumers_run_until_the_outbox_is_closed_and_one_that_fails_ends_the_command() -> None:
    command("create")
    with pytest.raises(CommandError, match=r"tests.actors.django_shop.broken failed: no such bank"):
        command("consumers")
    with pytest.raises(CommandError, match=r"OUTBOX_CONSUMERS has .*, not nobody"):
        command("consumers", "nobody")


def test_a_consumer_handles_until_the_command_is_told_to_end() -> None:
    command("create")
    orders.put(placed(7), standalone=True)
    with terminated_when(lambda: django_shop.handled == [7]):
        command("consumers", "tests.actors.django_shop.billing")
    assert orders.outbox.consumer("billing").position() == 1


def test_the_relay_runs_until_the_command_is_told_to_end() -> None:
    django_shop.relayed.clear()
    with terminated_when(django_shop.relayed.is_set):
        command("relay")
    with override_settings(OUTBOX_RELAY=None), pytest.raises(CommandError, match="OUTBOX_RELAY is not set"):
        command("relay")


@contextmanager
def terminated_when(done: Callable[[], bool]) -> Iterator[None]:
    """Sends this process SIGTERM, as a supervisor would, once that is so: the command runs on the main thread."""
    with ThreadPoolExecutor(1) as executor:

        def wait() -> None:
            try:
                wait_until(done, 30, "the command to do its work")
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        waiting = executor.submit(wait)
        yield
        waiting.result()
