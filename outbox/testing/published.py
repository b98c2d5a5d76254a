"""Looking at what was published, and waiting until it is handled: for tests, with whichever outbox they have."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar, overload

from outbox.aio.outbox import AsyncOutbox
from outbox.arguments import check_timeout
from outbox.clock import SystemClock
from outbox.errors import WaitTimeout
from outbox.location import has_come
from outbox.log.record import Record
from outbox.mongo.calls import outside_bound_session
from outbox.monitoring.drained import is_drained
from outbox.outbox import Outbox
from outbox.testing.outbox import MemoryOutbox

M = TypeVar("M")

_SECONDS = 5.0
_SHOWN = 10
_CHARACTERS = 200
_MISSING = object()


@overload
def drain(orders: Outbox | MemoryOutbox, timeout: float = _SECONDS) -> list[Record[Any]]: ...
@overload
def drain(orders: AsyncOutbox, timeout: float = _SECONDS) -> Coroutine[Any, Any, list[Record[Any]]]: ...
def drain(orders: Any, timeout: float = _SECONDS) -> Any:
    """Waits until all that is committed is numbered and handled, and returns the log's records; to be awaited for an
    AsyncOutbox.

    Handled: by each consumer and projection of this outbox that is running, and by each durable reader of other
    processes that has its lease and is not paused. What they put into this outbox meanwhile counts, too.

    timeout: seconds. Raises WaitTimeout, which says what is behind, and what `readers` raises.
    """
    return _on(orders, partial(_drain, timeout=timeout))


@overload
def assert_published(orders: Outbox | MemoryOutbox, type: type[M], /, **fields: Any) -> Record[M]: ...
@overload
def assert_published(orders: Outbox | MemoryOutbox, type: str, /, **fields: Any) -> Record[Any]: ...
@overload
def assert_published(orders: AsyncOutbox, type: type[M], /, **fields: Any) -> Coroutine[Any, Any, Record[M]]: ...
@overload
def assert_published(orders: AsyncOutbox, type: str, /, **fields: Any) -> Coroutine[Any, Any, Record[Any]]: ...
def assert_published(orders: Any, type: Any, /, **fields: Any) -> Any:
    """Returns the newest message of a type whose fields have these values; to be awaited for an AsyncOutbox.

    type: a message class of the outbox, or a type name. fields: as the message has them; of a type name, as its data.

    Looks at what is committed, and numbers it first. Raises AssertionError, which shows what was published instead,
    UnknownMessage, WaitTimeout when it is not numbered within 5 s, and what `read` raises.
    """
    return _on(orders, partial(_published, type=type, fields=fields))


def _on(orders: Any, work: Any) -> Any:
    if isinstance(orders, AsyncOutbox):
        return orders._sync.call(partial(work, orders._sync.outbox))
    return work(orders)


def _drain(orders: Outbox | MemoryOutbox, timeout: float) -> list[Record[Any]]:
    return _settled(orders, timeout, orders._running_readers())


def _settled(orders: Outbox | MemoryOutbox, timeout: float, running: set[str] | None) -> list[Record[Any]]:
    """running: the ids of readers that are to come up, with those that have a lease; None: no reader is waited for."""
    check_timeout(timeout)
    behind: list[str] = []

    def is_settled() -> bool:
        orders.sequence()
        head = orders._head()
        behind[:] = [] if running is None else _behind(orders, running, head)
        # The readers first: what a handler has put before its position was saved is seen by the look that follows.
        if not behind and not _all_numbered(orders, head):
            behind.append("messages wait in staging for their numbers")
        return not behind

    if not has_come(is_settled, timeout, SystemClock()):
        raise WaitTimeout(f"not settled within {timeout:g} s: {'; '.join(behind)}")
    return list(orders.read())


def _behind(orders: Outbox | MemoryOutbox, running: set[str], head: int) -> list[str]:
    statuses = {status.id: status for status in orders.readers()}
    found = [f"{id} has not begun" for id in sorted(running - statuses.keys())]
    for id, status in statuses.items():
        works = id in running or (status.holder is not None and not status.paused)
        if works and (status.position is None or status.position < head):
            found.append(f"{id} is at seq {status.position} of {head}")
    return found


@outside_bound_session
def _all_numbered(orders: Outbox | MemoryOutbox, head: int) -> bool:
    if isinstance(orders, MemoryOutbox):
        return orders._head() == head
    return is_drained(orders.collections, (head, None, None))


def _published(orders: Outbox | MemoryOutbox, type: Any, fields: Mapping[str, Any]) -> Record[Any]:
    name = orders._types.name_of(type)
    records = _settled(orders, _SECONDS, None)
    of_type = [record for record in records if record.type == name]
    matching = [record for record in of_type if not _differences(record, fields)]
    if matching:
        return matching[-1]
    wanted = "".join(f", {field}={value!r}" for field, value in fields.items())
    others = [record for record in records if record.type != name]
    raise AssertionError(
        f"no {name}{wanted} was published. {_shown('Of its type there are', of_type, fields)}"
        f"{_shown('Of others', others, {})}"
    )


def _differences(record: Record[Any], fields: Mapping[str, Any]) -> list[str]:
    message = record.message
    found = []
    for field, wanted in fields.items():
        if message is None or isinstance(message, dict):
            value = (record.data or {}).get(field, _MISSING)
        else:
            value = getattr(message, field, _MISSING)
        if value is _MISSING:
            found.append(f"has no {field}")
        elif value != wanted:
            found.append(f"{field}={value!r:.{_CHARACTERS}}")
    return found


def _shown(title: str, records: list[Record[Any]], fields: Mapping[str, Any]) -> str:
    if not records:
        return f"{title}: none. "
    lines = [f"\n{title}:" if len(records) <= _SHOWN else f"\n{title} {len(records)}, the newest of them:"]
    for record in records[-_SHOWN:]:
        differs = ", ".join(_differences(record, fields))
        text = f"{record.data!r}"
        data = text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"
        lines.append(
            f"  seq {record.seq} {record.type}, key {record.key!r}: {data}" + (f" ({differs})" if differs else "")
        )
    return "\n".join(lines) + "\n"
