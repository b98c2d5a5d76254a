"""Records without a log, for what takes records from wherever they come."""

from __future__ import annotations

from typing import Any

from outbox import Record


def record(seq: int, key: str | None = "a", type: str = "order.placed") -> Record[Any]:
    fields = {"type": type, "key": key, "headers": {}, "data": {"total": seq}}
    return Record(seq, seq.to_bytes(12, "big"), 0, fields)


def records(count: int, key: str | None = "a") -> list[Record[Any]]:
    return [record(seq, key) for seq in range(1, count + 1)]
