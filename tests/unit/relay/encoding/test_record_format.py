"""What a relay makes of a message."""

from __future__ import annotations

from typing import Any

import pytest

from relay.encoding.header_names import HeaderNames
from relay.encoding.key_from import KeyFrom
from relay.encoding.record_format import RecordFormat
from relay.errors import InvalidSettings


def test_by_default_records_are_as_the_wire_contract_has_them() -> None:
    assert RecordFormat().is_default
    assert RecordFormat("json", {"a": "json"}).is_default


@pytest.mark.parametrize(
    "asked",
    [
        {"encoding": "bson"}, {"encodings": {"a": "bson"}}, {"key": KeyFrom("id")}, {"timestamp": "created"},
        {"headers": HeaderNames({"seq": ""})},
    ],
)  # fmt: skip
def test_anything_else_is_not_the_default(asked: dict[str, Any]) -> None:
    assert not RecordFormat(**asked).is_default


def test_the_compiled_encoder_serves_where_all_values_are_of_json() -> None:
    assert RecordFormat("cloudevents", {"a": "json"}).is_of_json
    assert not RecordFormat("cloudevents", {"a": "bson"}).is_of_json


@pytest.mark.parametrize("asked", [{"encoding": "xml"}, {"encodings": {"a": "xml"}}, {"timestamp": "now"}])
def test_what_there_is_not_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings):
        RecordFormat(**asked)
