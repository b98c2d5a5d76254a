"""The compiled encoder and shares: it sends what the decoding path sends of a share, and passes the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.shares.share import Share
from tests.doubles.batches import ID, batch_of, record
from tests.doubles.encoders import RECORDS, assert_plain, both_ways

pytestmark = pytest.mark.usefixtures("native")

SHARES = st.integers(1, 9).flatmap(
    lambda of: st.builds(
        Share,
        st.integers(1, of),
        st.just(of),
        st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=5).map(tuple), max_size=3).map(tuple),
    )
)


@given(st.lists(RECORDS, min_size=1, max_size=8), st.integers(1, 10), SHARES, st.data())
def test_a_share_of_it_comes_out_the_same_or_is_left_to_python(
    records: list[bytes], first: int, share: Share, data: st.DataObject
) -> None:
    skip = data.draw(st.integers(0, len(records) - 1))
    compiled, decoded = both_ways(batch_of(*records, first=first)._replace(skip=skip), share)

    assert compiled is None or compiled == decoded


@given(
    st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=30),
    st.integers(1, 10),
    SHARES,
)
def test_a_share_of_what_is_plain_is_never_left_to_python(keys: list[str | None], first: int, share: Share) -> None:
    assert_plain(batch_of(*(record({"n": n}, key=key) for n, key in enumerate(keys)), first=first), share)


def test_what_another_share_sends_need_not_be_plain() -> None:
    keys = ["a", "b", "c", "d"]
    others = [each for each in keys if not Share(1, 2).takes(each, ID.binary, 1)]
    batch = batch_of(*(record({"n": float("nan") if each in others else 1}, key=each) for each in keys))

    assert others not in ([], keys)
    assert_plain(batch, Share(1, 2))
    assert both_ways(batch, Share(2, 2))[0] is None


def test_a_key_that_is_not_utf_8_is_left_to_python_whosever_it_is() -> None:
    plain = batch_of(record({}, key="the key"), record({}, key="other"))
    broken = plain._replace(raw=plain.raw.replace(b"the key", b"the k\xff\xff"))

    assert [both_ways(broken, Share(number, 2))[0] for number in (1, 2)] == [None, None]
