"""Projections in processes of their own, for the acceptance tests: they keep what writers commit meanwhile."""

from __future__ import annotations

from collections import defaultdict

from outbox import Outbox, Projection, Record
from outbox.shares.layout import load
from tests.acceptance.consumers import Scene
from tests.acceptance.process import Process
from tests.acceptance.processes.entry import Entry

State = dict[str, list[int]]


def apply(state: State, record: Record[Entry]) -> State:
    """As processes/project.py does."""
    assert record.data is not None
    state.setdefault("numbers", []).append(record.data["number"])
    return state


class ProjectionScene(Scene):
    """Writers at work, and a projection that has a state an account."""

    def consumer(self, *more: object, name: str = "ledger") -> Process:
        """Starts one more process of the projection."""
        self.consumers.append(self._start("project", *self._place, "--name", name, *self._options, *more))
        return self.consumers[-1]

    def projection(self, version: int = 1) -> Projection[State]:
        """The same, to be looked at."""
        orders = Outbox(self.ledger.database, messages=[Entry], sequence=False)
        return orders.projection("ledger", types=[Entry], initial=dict, apply=apply, by="key", version=version)

    def wait_for_more(self, effects: int = 50) -> None:
        """Until so many more records are in the states."""
        enough = (self.projection().position() or 0) + effects
        self.wait_until(lambda: (self.projection().position() or 0) >= enough, f"{effects} more in the states")

    def finish(self, version: int = 1) -> list[str]:
        """The writers end; who lives, or else a new one, applies the rest. Returns all that is wrong."""
        for writer in self.writers:
            writer.stop()
        living = [each for each in self.consumers if each.exit_code is None]
        living = living or [self.consumer("--version", version)]

        def done() -> bool:
            assert any(each.exit_code is None for each in living), [each.said()[-3000:] for each in living]
            positions, head = load(self.ledger.collections, "projection:ledger").positions, self.ledger.head()
            is_there = bool(positions) and all(each is not None and each[0] == head for each in positions)
            documents = self.ledger.collections.states.find({"_id": {"$regex": "^ledger/"}}, {"version": 1})
            return self.ledger.staged() == 0 and is_there and {each["version"] for each in documents} == {version}

        self.wait_until(done, "the states to be at the head")
        for each in living:
            each.stop()
        written = self.ledger.written(self.writers)
        self.projection(version).verify()
        return self.ledger.faults(written) + self._faults(written.committed.values(), version)

    def _faults(self, committed: object, version: int) -> list[str]:
        """Every state has the numbers of its account's entries, each once, in order; and there is no other state."""
        expected: dict[str | None, list[int]] = defaultdict(list)
        for account, number in committed:  # type: ignore[attr-defined]  # pairs
            expected[account].append(number)
        found = {key: state["numbers"] for key, state in self.projection(version).states()}
        return [
            f"{key}: {found.get(key)} are in the state, {sorted(expected[key])} were committed"
            for key in expected.keys() | found.keys()
            if found.get(key) != sorted(expected[key])
        ]
