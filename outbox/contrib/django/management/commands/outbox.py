"""The command `manage.py outbox create|status|relay|consumers`."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.core.management.base import (  # type: ignore[import-untyped]  # Django ships no types
    BaseCommand,
    CommandError,
)

from outbox.contrib.django import DjangoOutbox, settings
from outbox.errors import OutboxError
from outbox.monitoring.status import Status

END_SECONDS = 5.0
"""So long a consumer has to end once its outbox is closed."""


class Command(BaseCommand):  # type: ignore[misc]  # as above
    """Creates, shows and works for the outboxes that the setting OUTBOX names."""

    help = "Creates and shows the outboxes that OUTBOX names, and runs OUTBOX_RELAY and OUTBOX_CONSUMERS."

    def add_arguments(self, parser: Any) -> None:
        """Is called by Django."""
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("create", help="Make the collections, or add what is new; at each deployment. Idempotent.")
        status = actions.add_parser("status", help="Show what is in them, who numbers, and how far readers are.")
        status.add_argument("--json", action="store_true", dest="as_json", help="One JSON object a line.")
        actions.add_parser("relay", help="Run the relay that OUTBOX_RELAY makes, until SIGTERM or Ctrl-C.")
        consumers = actions.add_parser("consumers", help="Run what OUTBOX_CONSUMERS lists, until SIGTERM or Ctrl-C.")
        consumers.add_argument("path", nargs="*", help="Only these of them.")

    def handle(self, *, action: str, **options: Any) -> None:
        """Is called by Django. Raises CommandError with what the outbox says."""
        try:
            getattr(self, f"_{action}")(**options)
        except OutboxError as error:
            raise CommandError(str(error)) from error

    def _create(self, **_: Any) -> None:
        for orders in settings.outboxes():
            orders.outbox.create()
            types = ", ".join(orders.outbox.types()) or "no message types yet"
            self.stdout.write(f"{_full_name(orders)} is ready: {types}")

    def _status(self, *, as_json: bool, **_: Any) -> None:
        for orders in settings.outboxes():
            status = orders.outbox.status()
            if as_json:
                self.stdout.write(json.dumps({"outbox": _full_name(orders), **asdict(status)}, default=str))
            else:
                self.stdout.write("\n".join(_lines(_full_name(orders), status)))

    def _relay(self, **_: Any) -> None:
        make = settings.relay()
        if make is None:
            raise CommandError("OUTBOX_RELAY is not set: name a function that makes a relay.Relay")
        with _until_stopped() as stop:
            make().run(stop)

    def _consumers(self, *, path: list[str], **_: Any) -> None:
        known = settings.consumers()
        unknown = sorted(set(path) - set(known))
        if unknown or not known:
            raise CommandError(f"OUTBOX_CONSUMERS has {', '.join(known) or 'none'}, not {', '.join(unknown) or 'any'}")
        failures: list[tuple[str, BaseException]] = []
        with _until_stopped() as stop:
            threads = [_begin(name, known[name], stop, failures) for name in path or known]
            stop.wait()
            for orders in settings.outboxes():
                orders.close()
            for thread in threads:
                thread.join(END_SECONDS)
        for name, error in failures:
            raise CommandError(f"{name} failed: {error}") from error
        left = [thread.name for thread in threads if thread.is_alive()]
        if left:
            raise CommandError(f"still at work, and left: {', '.join(left)}")


def _begin(
    name: str, run: Callable[[], object], stop: threading.Event, failures: list[tuple[str, BaseException]]
) -> threading.Thread:
    def work() -> None:
        try:
            run()
            if not stop.is_set():
                raise RuntimeError("it returned, though nothing had told it to end")
        except BaseException as error:  # noqa: BLE001  # raised by the command
            failures.append((name, error))
        stop.set()  # one that ends ends the others: who started the command is to hear of it

    thread = threading.Thread(target=work, name=f"outbox-{name}", daemon=True)
    thread.start()
    return thread


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only there are signals handled
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _full_name(orders: DjangoOutbox) -> str:
    return f"{orders.outbox.collections.database.name}:{orders.name}"


def _lines(name: str, status: Status) -> Iterator[str]:
    yield f"{name}: {status.oldest:,} to {status.head:,} in the log, {status.staging:,} in staging"
    yield f"  sequencer: {status.holder or 'nobody'}"
    if status.dead or status.parked:
        yield f"  {status.dead:,} dead, {status.parked:,} parked"
    for cursor in status.cursors:
        paused = ", paused" if cursor.paused else ""
        yield f"  {cursor.reader}: at {cursor.seq:,}, {cursor.lag:,} behind{paused}"
