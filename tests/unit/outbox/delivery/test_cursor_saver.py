"""The saver of the cursor: when a save is due, one at a time, and what becomes of one that fails or does not end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from pymongo.errors import AutoReconnect

from outbox.delivery.cursor_saver import EVERY_RECORDS, EVERY_SECONDS, CursorSaver
from outbox.log.position import Position
from outbox.testing import FakeClock


def at(seq: int) -> Position:
    return seq, None, None


class Scene:
    """A saver at seq 0, a clock that stands still, and a database that can be held or made to fail."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.calls: list[int] = []
        self.errors: list[Exception] = []
        self.answers = threading.Event()
        self.answers.set()
        self.saver = CursorSaver(self.save, at(0), self.clock)

    def save(self, position: Position) -> None:
        self.calls.append(position[0])
        self.answers.wait(30)
        if self.errors:
            raise self.errors.pop(0)

    def saved(self, seq: int, *, now: bool = False) -> list[int]:
        """All that was saved, once a save that `seq` makes due is done."""
        self.saver.save_if_due(at(seq), now=now)
        self.saver.wait(30)
        return self.calls


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.answers.set()
    made.saver.close()


def test_a_few_records_within_a_tenth_of_a_second_are_not_saved_yet(scene: Scene) -> None:
    assert scene.saved(EVERY_RECORDS - 1) == []


def test_many_records_are_saved_at_once(scene: Scene) -> None:
    assert scene.saved(EVERY_RECORDS) == [EVERY_RECORDS]


def test_one_record_is_saved_after_a_tenth_of_a_second(scene: Scene) -> None:
    scene.clock.advance(EVERY_SECONDS)

    assert scene.saved(1) == [1]


def test_now_does_not_wait_until_it_is_due(scene: Scene) -> None:
    assert scene.saved(1, now=True) == [1]


def test_what_is_saved_already_is_not_saved_again(scene: Scene) -> None:
    scene.saved(5, now=True)

    assert scene.saved(5, now=True) == [5]
    assert scene.saved(4, now=True) == [5]
    assert scene.saver.saved == at(5)


def test_while_a_save_is_under_way_no_other_begins(scene: Scene) -> None:
    scene.answers.clear()
    scene.saver.save_if_due(at(5), now=True)
    scene.saver.save_if_due(at(9), now=True)
    assert scene.saver.saved == at(0)

    scene.answers.set()
    scene.saver.finish(at(9), 30)

    assert scene.calls == [5, 9]
    assert scene.saver.saved == at(9)


def test_a_failed_save_is_raised_by_the_next_call_and_nothing_counts_as_saved(scene: Scene) -> None:
    scene.errors = [AutoReconnect("away")]
    scene.saved(5, now=True)

    with pytest.raises(AutoReconnect):
        scene.saver.save_if_due(at(6))

    assert (scene.saver.failing, scene.saver.saved) == (True, at(0))


def test_after_a_failed_save_the_next_is_due_at_once(scene: Scene) -> None:
    scene.errors = [AutoReconnect("away")]
    scene.saved(5, now=True)
    with pytest.raises(AutoReconnect):
        scene.saver.save_if_due(at(6))

    assert scene.saved(6) == [5, 6]
    scene.saver.finish(at(6), 30)
    assert (scene.saver.failing, scene.saver.saved) == (False, at(6))


def test_finish_raises_what_saving_raises(scene: Scene) -> None:
    scene.errors = [AutoReconnect("away")]

    with pytest.raises(AutoReconnect):
        scene.saver.finish(at(5), 30)


def test_a_save_that_does_not_end_is_left_alone_and_close_does_not_wait_for_it(scene: Scene) -> None:
    scene.answers.clear()

    with pytest.raises(TimeoutError, match="has not confirmed it in time"):
        scene.saver.finish(at(5), 0.01)
    scene.saver.close()

    assert (scene.calls, scene.saver.saved) == ([5], at(0))


def test_close_waits_for_a_save_under_way_and_saves_nothing_more(scene: Scene) -> None:
    scene.answers.clear()
    scene.saver.save_if_due(at(5), now=True)
    threading.Timer(0.05, scene.answers.set).start()

    scene.saver.close()

    assert scene.answers.is_set()
    assert scene.calls == [5]
