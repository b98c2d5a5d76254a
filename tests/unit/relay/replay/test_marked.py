"""Each record of a replay says that it is one, whichever way it was encoded."""

from __future__ import annotations

import pytest

from outbox.shares.share import ALL
from relay.encoding.encoder import Encoder
from relay.replay.marked import MarkedEncoder
from tests.doubles.batches import LOG, batch_of, record


def marked(*, is_choosy: bool = False) -> MarkedEncoder:
    return MarkedEncoder(Encoder(lambda type: f"topic.{type}", LOG), is_choosy=is_choosy)


def test_the_header_comes_last_beside_the_message_s_own() -> None:
    batch = batch_of(record({"a": 1}, tenant="acme"), record({"a": 2}))

    outgoing, marks, error = marked().encode(batch.records())

    assert [headers[-2:] for *_, headers in outgoing] == [
        [("tenant", "acme"), ("replayed", "true")],
        [("type", "order"), ("replayed", "true")],
    ]
    assert (len(marks), error) == (2, None)


@pytest.mark.usefixtures("native")
def test_what_is_encoded_undecoded_is_the_same() -> None:
    encoder, batch = marked(), batch_of(record({"a": 1}), record({"a": 2}))
    decoded, marks, _ = encoder.encode(batch.records())  # from here on the topic is known

    plain = encoder.encode_plain(batch, ALL)

    assert plain is not None
    assert list(plain) == [(decoded, marks)]


def test_where_records_are_chosen_each_is_looked_at() -> None:
    encoder, batch = marked(is_choosy=True), batch_of(record({"a": 1}))
    encoder.encode(batch.records())

    assert encoder.encode_plain(batch, ALL) is None
