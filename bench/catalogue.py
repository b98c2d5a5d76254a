"""All benchmarks by name and group, in the order they run in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from bench.benchmark import Benchmark
from bench.costs import Costs
from bench.head import ObserveHead
from bench.idle import Idle
from bench.latency import Consumed, Observed
from bench.puts import Put, PutBesideData, PutList
from bench.reads import Observe, Read, ReadRaw
from bench.relays import RelayExactlyOnce, RelayLog, RelayStaging
from bench.sequencing import Sequence, SequenceFull
from bench.stage import Stage
from bench.starting import Killed, KilledExactlyOnce, Start

Make = Callable[[Stage], Benchmark]

GROUPS: Mapping[str, Mapping[str, Make]] = {
    "puts": {"put": Put, "put-transaction": PutBesideData, "put-list": PutList},
    "sequencing": {"sequence": Sequence, "sequence-full": SequenceFull},
    "reading": {"read": Read, "read-raw": ReadRaw, "observe": Observe, "observe-head": ObserveHead},
    "relaying": {"relay": RelayLog, "sequence-relay": RelayStaging, "relay-exactly-once": RelayExactlyOnce},
    "latency": {
        **{f"latency-{rate}": partial(Observed, rate=rate) for rate in (200, 2000)},
        **{f"latency-kafka-{rate}": partial(Consumed, rate=rate) for rate in (200, 2000)},
    },
    "operation": {"start": Start, "killed": Killed, "killed-exactly-once": KilledExactlyOnce, "idle": Idle},
    "costs": {"costs": Costs},
}
CATALOGUE: Mapping[str, Make] = {name: make for group in GROUPS.values() for name, make in group.items()}


def chosen(only: list[str] | None) -> list[str]:
    """The names of these benchmarks and groups; None: of all. Raises KeyError."""
    if only is None:
        return list(CATALOGUE)
    names = [name for each in only for name in GROUPS.get(each, [each])]
    for name in names:
        CATALOGUE[name]
    return names
