"""What a relay makes of a message."""

from __future__ import annotations

from typing import Any

import pytest

from relay.encoding.header_names import HeaderNames
from relay.encoding.key_from import KeyFrom
from relay.encoding.record_format import RecordFormat
from relay.encoding.values import BSON, JSON
from relay.errors import InvalidSettings


@pytest.mark.parametrize("format", [RecordFormat(), RecordFormat("bson"), RecordFormat("json", {"a": "extended-json"})])
def test_where_only_values_differ_records_need_no_other_shape(format: RecordFormat) -> None:
    assert format.is_of_values


@pytest.mark.parametrize(
    "asked",
    [
        {"encoding": "cloudevents"}, {"encodings": {"a": "cloudevents"}}, {"key": KeyFrom("id")},
        {"timestamp": "created"}, {"headers": HeaderNames({"seq": ""})}, {"partition": KeyFrom("type")},
    ],
)  # fmt: skip
def test_whatever_else_differs_needs_one(asked: dict[str, Any]) -> None:
    assert not RecordFormat(**asked).is_of_values


def test_envelopes_are_put_around_json() -> None:
    format = RecordFormat("cloudevents", {"a": "bson"})

    assert [format.form(type) for type in ("a", "b")] == [BSON, JSON]


@pytest.mark.parametrize(
    "asked", [{"encoding": "xml"}, {"encodings": {"a": "xml"}}, {"timestamp": "now"}, {"partition": KeyFrom("none")}]
)
def test_what_there_is_not_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings):
        RecordFormat(**asked)
