"""Random faults for a given time, while writers commit and two relays deliver; then the ledger.

    python -m tests.faults.soak --seconds 1800 --seed 7

The same seed breaks the same things in the same order. Ends with 1 when a message was lost, or came out of order.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.acceptance.ledger import Seen, Written, disorder, duplicates
from tests.faults.havoc import Fault, drawn
from tests.faults.stage import Stage

Say = Callable[[str], None]


class Account(NamedTuple):
    """How a soak ended."""

    committed: int
    delivered: int
    duplicates: int
    lost: int
    order_violations: int
    others: tuple[str, ...]
    """Anything else that is wrong, such as a gap in the log."""

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.order_violations or self.others)

    def lines(self) -> list[str]:
        numbers = self._asdict() | {"others": len(self.others)}
        return [f"{name.replace('_', ' '):18}{number:10,}" for name, number in numbers.items()] + list(self.others)


def account(stage: Stage, written: Written, seen: Sequence[Seen]) -> Account:
    """What was committed, against what Kafka has and what the log holds."""
    delivered = {record.id for record in seen}
    faults = stage.service.ledger.faults(written, seen)
    violations = disorder("Kafka", seen)
    return Account(
        committed=len(written.committed),
        delivered=len(delivered),
        duplicates=duplicates(seen),
        lost=len(written.committed.keys() - delivered),
        order_violations=len(violations),
        others=tuple([fault for fault in faults if fault not in violations] + stage.troubles),
    )


def soak(seconds: float, seed: int, folder: Path, say: Say) -> Account:
    """Runs it all; `folder` keeps what the processes say."""
    with Stage(folder, writers=3, rate=40) as stage:
        stage.service.wait_until_delivered(50)
        began = time.monotonic()
        for turn in itertools.count():
            now = time.monotonic() - began
            if now >= seconds:
                break
            chance = random.Random(f"{seed} {turn}")  # so that no turn depends on what happened in those before
            faults, broken_seconds, well_seconds = drawn(chance), chance.uniform(0.2, 4), chance.uniform(0, 1)
            say(f"{now:7.1f} s  {', and '.join(fault.name for fault in faults)}, for {broken_seconds:.1f} s")
            _break(stage, faults, chance, broken_seconds)
            _pass(well_seconds)
        say(f"{time.monotonic() - began:7.1f} s  all is well again; the rest is delivered")
        written = stage.finish()
        say(f"{time.monotonic() - began:7.1f} s  all is delivered")
        return account(stage, written, stage.service.topic.records())


def _break(stage: Stage, faults: Sequence[Fault], chance: random.Random, seconds: float) -> None:
    with contextlib.ExitStack() as broken:
        for fault in faults:
            broken.enter_context(fault.broken(stage, chance))
        _pass(seconds)
    stage.nodes.wait_until_healthy()
    stage.supervise()


def _pass(seconds: float) -> None:
    """How long something is broken is a matter of time alone."""
    threading.Event().wait(seconds)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="by default another one each time")
    given = parser.parse_args(arguments)
    print(f"seed {given.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="outbox-soak-"))
    result = soak(given.seconds, given.seed, folder, lambda line: print(line, flush=True))
    print("\n".join(result.lines()))
    print(f"what the processes said: {folder}")
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
