"""All benchmarks by name and group, in the order they run in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import get_args

from bench.rig.benchmark import Benchmark
from bench.rig.stage import Stage
from bench.rig.watched import WAYS
from bench.workloads.archives import ArchiveRead, ArchiveReadType, ArchiveWrite, HistoryRead
from bench.workloads.asynchronous import AsyncObserve, AsyncPut, AsyncPutList
from bench.workloads.consumers import Consume, ConsumeInTransactions, ConsumeOneInTransaction
from bench.workloads.costs import Costs
from bench.workloads.encodings import Encode
from bench.workloads.gateways import SUBSCRIBERS, Deliver, FanOut, Post
from bench.workloads.head import ObserveHead
from bench.workloads.idle import Idle
from bench.workloads.latency import Consumed, Observed
from bench.workloads.projections import Project
from bench.workloads.puts import Put, PutBesideData, PutList
from bench.workloads.reads import Observe, Read, ReadRaw
from bench.workloads.relays import RelayExactlyOnce, RelayLog, RelayStaging, RelayWatched
from bench.workloads.sequencing import Sequence, SequenceFull
from bench.workloads.starting import Killed, KilledExactlyOnce, Start
from bench.workloads.transfers import Exported, Imported, Mirrored
from bench.workloads.views import KeepLatest
from outbox.archive.formats.choice import FILES
from relay.encoding.choices import Encoding

Make = Callable[[Stage], Benchmark]

GROUPS: Mapping[str, Mapping[str, Make]] = {
    "puts": {"put": Put, "put-transaction": PutBesideData, "put-list": PutList},
    "sequencing": {"sequence": Sequence, "sequence-full": SequenceFull},
    "reading": {"read": Read, "read-raw": ReadRaw, "observe": Observe, "observe-head": ObserveHead},
    "asyncio": {"async-put": AsyncPut, "async-put-list": AsyncPutList, "async-observe": AsyncObserve},
    "state": {"projection": Project, "latest": KeepLatest},
    "archive": {
        **{f"archive-write-{format}": partial(ArchiveWrite, format=format) for format in sorted(FILES)},
        **{f"archive-read-{format}": partial(ArchiveRead, format=format) for format in sorted(FILES)},
        **{f"archive-type-{format}": partial(ArchiveReadType, format=format) for format in sorted(FILES)},
        "history-read": HistoryRead,
    },
    "moving": {"export": Exported, "import": Imported, "mirror": Mirrored},
    "consuming": {
        "consume": Consume,
        "consume-transaction-1": ConsumeOneInTransaction,
        "consume-transaction-100": ConsumeInTransactions,
    },
    "relaying": {"relay": RelayLog, "sequence-relay": RelayStaging, "relay-exactly-once": RelayExactlyOnce},
    "watching": {f"relay-{how}": partial(RelayWatched, how=how) for how in WAYS},
    "encoding": {f"encode-{each}": partial(Encode, encoding=each) for each in get_args(Encoding)},
    "latency": {
        **{f"latency-{rate}": partial(Observed, rate=rate) for rate in (200, 2000)},
        **{f"latency-kafka-{rate}": partial(Consumed, rate=rate) for rate in (200, 2000)},
    },
    "gateway": {
        **{f"fan-out-{each}": partial(FanOut, subscribers=each) for each in SUBSCRIBERS},
        "deliver": Deliver,
        "post": Post,
    },
    "operation": {"start": Start, "killed": Killed, "killed-exactly-once": KilledExactlyOnce, "idle": Idle},
    "costs": {"costs": Costs},
}
CATALOGUE: Mapping[str, Make] = {name: make for group in GROUPS.values() for name, make in group.items()}


def chosen(only: list[str] | None) -> list[str]:
    """The names of these benchmarks and groups; None: of all. Raises KeyError."""
    if only is None:
        return list(CATALOGUE)
    names = [name for given in only for name in GROUPS.get(given, [given])]
    for name in names:
        CATALOGUE[name]
    return names
