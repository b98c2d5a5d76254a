"""All benchmarks by name, in the order they run in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.benchmark import Benchmark
from bench.latency import Consumed, Observed
from bench.puts import Put, PutBesideData, PutList
from bench.reads import Observe, Read, ReadRaw
from bench.relays import RelayLog, RelayStaging
from bench.sequencing import Sequence
from bench.stage import Stage

CATALOGUE: dict[str, Callable[[Stage], Benchmark]] = {
    **{kind.name: kind for kind in (Put, PutBesideData, PutList, Sequence, Read, ReadRaw, Observe)},
    **{kind.name: kind for kind in (RelayLog, RelayStaging)},
    **{f"latency-{rate}": partial(Observed, rate=rate) for rate in (200, 2000)},
    **{f"latency-kafka-{rate}": partial(Consumed, rate=rate) for rate in (200, 2000)},
}
