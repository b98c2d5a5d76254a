"""A schema as it is registered."""

from __future__ import annotations

import pytest

from outbox.messages.json_value import Unencodable
from relay.encoding.avro.schema import AvroSchema
from tests.doubles.avro import back, schema


def test_a_field_that_is_missing_has_its_default() -> None:
    asked = schema("string")
    asked["fields"].append({"name": "more", "type": ["null", "int"], "default": None})

    assert back(asked, {"f0": "a"}) == {"f0": "a", "more": None}


def test_an_error_says_that_it_is_the_schemas_and_names_the_field() -> None:
    with pytest.raises(Unencodable, match="its Avro schema does not take it: data.f0 is of the type int"):
        back(schema("string"), {"f0": 7})


@pytest.mark.parametrize("text", ['{"type": "recordd"}', "no JSON"])
def test_what_is_no_schema_is_refused(text: str) -> None:
    with pytest.raises(Unencodable, match="is no Avro schema"):
        AvroSchema(text)
