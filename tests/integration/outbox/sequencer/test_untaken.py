"""What staging holds and the log does not: each document is shown until it was taken, and not once after."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, NoReturn

import bson
import pytest
from bson import ObjectId, Timestamp
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from outbox import Outbox
from outbox.mongo.lease import read_lease
from outbox.sequencer import snapshot
from outbox.sequencer.cleanup import StagingCleanup
from outbox.sequencer.snapshot import Snapshot
from outbox.sequencer.untaken import Untaken
from tests.actors.order_service import foreign, placed, totals
from tests.doubles.executors import Later, Now

AHEAD = Timestamp(4_000_000_000, 1)


class Scene:
    """Staging, what is deleted from it, and what is shown of it."""

    def __init__(self, orders: Outbox, threads: Executor) -> None:
        self.staging = orders.collections.staging
        self.clearing = StagingCleanup(self.staging, threads)
        self.untaken = Untaken(orders.collections, self.clearing, threads)
        self.untaken.begin((), None)

    def stage(self, count: int) -> list[bytes]:
        """Commits so many messages; their ids."""
        documents = [foreign(n) for n in range(count)]
        self.staging.insert_many(documents)
        return [document["_id"].binary for document in documents]

    def shown(self) -> list[bytes] | None:
        """The ids on the next page."""
        page = self.untaken.page()
        return None if page is None else [bson.decode(document)["_id"].binary for document in page]

    def whole(self) -> list[bytes]:
        """The ids on all pages that are left."""
        found = self.shown() or []
        while not self.untaken.is_done:
            found += self.shown() or []
        return found


@pytest.fixture
def scene(orders: Outbox) -> Scene:
    return Scene(orders, Now())


def test_it_shows_all_that_staging_holds_in_the_order_of_the_stamps(scene: Scene) -> None:
    ids = scene.stage(1200)

    assert scene.whole() == ids
    assert scene.untaken.is_whole


def test_nothing_has_been_given_whole_before_the_first_page(scene: Scene) -> None:
    assert scene.untaken.is_done
    assert not scene.untaken.is_whole


def test_of_many_pages_the_first_is_not_all(scene: Scene) -> None:
    scene.stage(1200)
    scene.shown()

    assert not scene.untaken.is_done
    assert not scene.untaken.is_whole


def test_what_is_committed_meanwhile_shows_in_the_next_snapshot(scene: Scene) -> None:
    before = scene.stage(1)
    assert scene.whole() == before
    later = scene.stage(1)
    assert scene.shown() == []

    scene.untaken.leave()
    assert scene.whole() == before + later


def test_a_message_is_fresh_until_it_was_taken(scene: Scene) -> None:
    first, second = scene.stage(2)
    scene.untaken.took([first], None)

    assert not scene.untaken.is_fresh(first)
    assert scene.untaken.is_fresh(second)


def test_what_was_taken_and_still_shows_is_not_fresh_in_the_next_snapshot_either(scene: Scene) -> None:
    """Goes red when a new snapshot forgets what was taken before it: the message would be appended twice."""
    [id] = scene.stage(1)
    scene.untaken.took([id], None)
    scene.untaken.leave()

    assert scene.shown() == [id]
    assert not scene.untaken.is_fresh(id)


def test_what_waits_to_be_deleted_stays_known_over_any_number_of_snapshots(orders: Outbox) -> None:
    scene = Scene(orders, Later())
    [id] = scene.stage(1)
    scene.clearing.add(1, [id], 100, 1 << 20)
    scene.untaken.took([id], None)
    for _ in range(3):
        scene.untaken.leave()
        scene.untaken.took([ObjectId().binary], None)
        assert scene.shown() == [id]
        assert not scene.untaken.is_fresh(id)


def test_what_is_deleted_for_all_is_not_remembered_for_ever(scene: Scene) -> None:
    """Goes red when the ids of all messages that ever were are kept."""
    [id] = scene.stage(1)
    for taken in (id, ObjectId().binary):
        scene.untaken.took([taken], None)
        scene.untaken.leave()
        scene.shown()

    assert scene.untaken.is_fresh(id)


def test_what_was_begun_with_is_in_the_log_and_all_else_is_forgotten(scene: Scene) -> None:
    before, found = scene.stage(2)
    scene.untaken.took([before], AHEAD)
    scene.untaken.begin([found], None)

    assert scene.shown() == [before, found]
    assert (scene.untaken.is_fresh(before), scene.untaken.is_fresh(found)) == (True, False)


def test_what_was_taken_before_it_was_begun_anew_is_forgotten_in_an_open_snapshot_too(scene: Scene) -> None:
    [before] = scene.stage(1)
    scene.untaken.took([before], None)
    scene.shown()
    scene.untaken.begin((), None)

    assert scene.untaken.is_fresh(before)


def test_a_snapshot_that_is_left_half_way_was_not_given_whole(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes red when its end is taken for the end of staging: what is behind it would wait."""
    monkeypatch.setattr(snapshot, "RECORDS", 500)
    ids = scene.stage(1200)

    assert scene.whole() == ids[:500]
    assert not scene.untaken.is_whole


@pytest.mark.parametrize(
    "learn",
    [
        lambda scene: scene.untaken.begin((), AHEAD),
        lambda scene: scene.untaken.took((), AHEAD),
        lambda scene: scene.untaken.brought(AHEAD),
        lambda scene: setattr(scene.clearing, "time", AHEAD),
    ],
    ids=["taken over", "taken", "brought by the change stream", "deleted"],
)
def test_a_snapshot_of_before_what_is_known_is_not_shown(scene: Scene, learn: Callable[[Scene], None]) -> None:
    """Goes red when any snapshot is believed: a new primary may show what was taken and deleted long ago."""
    scene.stage(1)
    learn(scene)

    assert scene.shown() is None
    assert not scene.untaken.is_whole


def test_its_time_is_that_of_the_snapshot_and_never_goes_back(scene: Scene) -> None:
    scene.stage(1)
    scene.shown()
    shown = scene.untaken.time
    assert shown > Timestamp(1_600_000_000, 0)

    scene.untaken.brought(Timestamp(1, 1))
    assert scene.untaken.time == shown
    scene.untaken.brought(AHEAD)
    assert scene.untaken.time == AHEAD


@pytest.mark.parametrize(("count", "shown"), [(600, 600), (601, 0)])
def test_only_many_deletes_are_waited_for_before_a_snapshot(orders: Outbox, count: int, shown: int) -> None:
    scene = Scene(orders, Later())
    ids = scene.stage(count)
    scene.clearing.add(1, ids, 100, 1 << 20)
    scene.untaken.took(ids, None)

    assert len(scene.whole()) == shown


def test_what_a_delete_raised_is_raised(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(orders, Later())
    ids = scene.stage(601)
    scene.clearing.add(1, ids, 100, 1 << 20)

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise OperationFailure("not authorized", 13)

    monkeypatch.setattr(Collection, "delete_many", refuse)

    with pytest.raises(OperationFailure, match="not authorized"):
        scene.untaken.page()


def test_a_page_that_is_refused_for_another_reason_is_an_error(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.stage(1200)
    scene.shown()

    def refuse(_: Snapshot) -> NoReturn:
        monkeypatch.undo()
        raise OperationFailure("not authorized", 13)

    monkeypatch.setattr(Snapshot, "page", refuse)

    with pytest.raises(OperationFailure, match="not authorized"):
        scene.untaken.page()


@pytest.mark.parametrize("code", [239, 246])
def test_a_snapshot_that_is_too_old_is_followed_by_a_new_one_without_a_takeover(
    orders: Outbox, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Goes red when SnapshotTooOld is an error like others: with minSnapshotHistoryWindowInSeconds=0 each one is."""
    monkeypatch.setattr(snapshot, "FIRST_PAGE_RECORDS", 10)
    monkeypatch.setattr(snapshot, "PAGE_RECORDS", 10)
    fetch: Callable[[Snapshot], list[bytes]] = Snapshot._fetch

    def too_old(self: Snapshot) -> list[bytes]:
        if self._edge is not None:
            raise OperationFailure("Read timestamp is older than the oldest available timestamp", code)
        return fetch(self)

    monkeypatch.setattr(Snapshot, "_fetch", too_old)
    orders.put([placed(n) for n in range(95)], standalone=True)

    assert orders.sequence() == 95
    assert totals(orders.read()) == list(range(95))
    lease = read_lease(orders.collections.leases, "sequencer")
    assert lease is not None
    assert lease["fence"] == 1
