"""What `batch` does with a subscriber that fails when the stream ends, or has failed before."""

from __future__ import annotations

from typing import Any

import pytest
import reactivex
from reactivex.disposable import Disposable
from reactivex.subject import Subject

from outbox.operators import batch

HOUR = 3600


@pytest.mark.parametrize("source_fails", [False, True])
def test_what_a_subscriber_raises_at_the_end_goes_to_on_error(source_fails: bool) -> None:
    """The source has ended by then: raised to it, the error would be lost."""
    source = Subject[int]()
    errors: list[Exception] = []

    def on_next(each: list[int]) -> None:
        raise ValueError("the subscriber's own")

    source.pipe(batch(10, HOUR)).subscribe(on_next, errors.append)
    source.on_next(1)
    if source_fails:
        source.on_error(KeyError("the source's own"))
    else:
        source.on_completed()

    assert [str(each) for each in errors] == ["the subscriber's own"]
    assert ("KeyError" in str(getattr(errors[0], "__notes__", ""))) == source_fails


def test_a_subscriber_that_has_failed_is_not_given_the_rest() -> None:
    """The error that it raised comes back from the source, as `observe` does it."""
    seen: list[Any] = []

    def subscribe(observer: Any, scheduler: Any = None) -> Disposable:
        for n in range(3):
            try:
                observer.on_next(n)
            except ValueError as error:
                observer.on_next(99)
                observer.on_error(error)
        return Disposable()

    def on_next(each: list[int]) -> None:
        seen.append(each)
        raise ValueError("the subscriber's own")

    reactivex.Observable(subscribe).pipe(batch(2, HOUR)).subscribe(on_next, seen.append)

    assert seen[0] == [0, 1]
    assert [type(each) for each in seen[1:]] == [ValueError]
