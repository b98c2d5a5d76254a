"""Both encoders over one batch: the compiled one, and the decoding one that it must agree with."""

from __future__ import annotations

from hypothesis import strategies as st

from outbox.delivery.ports import Outgoing
from outbox.log.batch import Batch
from outbox.log.position import Mark
from outbox.messages.compaction import COMPACTION_ID
from outbox.shares.share import ALL, Share
from relay.encoding.encoder import Encoder
from relay.encoding.values import BSON, EXTENDED_JSON, JSON, Form
from tests.anything import BSON_VALUES, NAMES
from tests.doubles.batches import CREATED, LOG, batch_of, record

Encoded = tuple[list[Outgoing], list[Mark]]
FORMS = [JSON, EXTENDED_JSON, BSON]

RECORDS = st.builds(
    lambda data, type, key, created, headers: record(data, type=type, key=key, created=created, **headers),
    st.none() | st.dictionaries(NAMES, BSON_VALUES, max_size=5),
    st.sampled_from(["order", "note"]),
    st.none() | st.text(),
    st.integers(-(2**63), 2**63 - 1) | st.just(CREATED),
    st.dictionaries(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
            lambda name: name not in ("data", "type", "key", "created")  # names that `record` has for itself
        )
        | st.just(COMPACTION_ID),
        st.text(),
    ),
)


def both_ways(batch: Batch, share: Share = ALL, form: Form = JSON) -> tuple[Encoded | None, Encoded | Exception]:
    """What the compiled encoder and what the decoding one make of a batch whose types are known."""
    encoder = Encoder(lambda type: f"topic.{type}", LOG, lambda _: form)
    encoder.encode(batch_of(record({}), record({}, type="note")).records())
    records = batch.records()
    outgoing, marks, error = encoder.encode(share.chosen(records))
    last = records[-1]
    if not marks or marks[-1][0] != last.seq:
        marks.append((last.seq, last.created_ms, last.id_bytes))
    plainly = encoder.encode_plain(batch, share)
    return None if plainly is None else plainly[0], error if error is not None else (outgoing, marks)


def assert_plain(batch: Batch, share: Share = ALL, form: Form = JSON) -> None:
    compiled, decoded = both_ways(batch, share, form)
    assert compiled == decoded
