"""A subscriber that stands still at its first record until SIGUSR1, and says how much memory it has."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from pymongo import MongoClient

from outbox import Outbox, Record

EVERY = 50_000


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main() -> None:
    uri, database, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
    go_on, done = threading.Event(), threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: go_on.set())

    def see(record: Record[object]) -> None:
        if record.seq == 1:
            print(f"seq 0 resident {resident_mib():.1f}", flush=True)
            go_on.wait()
        if record.seq % EVERY == 0 or record.seq in (1, last):
            print(f"seq {record.seq} resident {resident_mib():.1f}", flush=True)
        if record.seq == last:
            done.set()

    with MongoClient(uri) as client, Outbox(client[database], sequence=False) as outbox:
        outbox.observe(start="earliest").subscribe(see, lambda error: print(error, flush=True))
        done.wait()


if __name__ == "__main__":
    main()
