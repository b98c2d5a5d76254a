"""The JSON Schemas of the contract are schemas, and closed."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from outbox.gateway.http import schemas


@pytest.mark.parametrize(
    "name", [name for name, value in vars(schemas).items() if name.isupper() and isinstance(value, dict)]
)
def test_each_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(getattr(schemas, name))


def test_a_record_has_its_fields_and_no_other() -> None:
    record: dict[str, Any] = {
        "seq": 1, "id": "0" * 24, "created": "2025-01-01T00:00:00.000Z", "type": "a", "key": None, "headers": {},
        "data": None,
    }  # fmt: skip
    Draft202012Validator(schemas.RECORD).validate(record)

    with pytest.raises(ValidationError):
        Draft202012Validator(schemas.RECORD).validate({**record, "log": 1})
