"""Makes Avro of BSON's values, as a schema asks for them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import fastavro
import orjson
from bson import DBRef, Decimal128, ObjectId
from bson.datetime_ms import DatetimeMS
from fastavro.schema import parse_schema
from fastavro.validation import ValidationError, validate

from outbox import dates
from outbox.messages.json_value import Unencodable

_DATES = (datetime, DatetimeMS)
_TEXTS = (ObjectId, Decimal128, UUID)
_INT32 = 1 << 31


class AvroSchema:
    """Writes data by one schema. Thread-safe. Raises Unencodable for what is no schema.

    Where the schema has a `string`, ObjectId, Decimal128, UUID and dates are written as JSON has them; where it has a
    logical type (`decimal`, `timestamp-millis`, `uuid`) as that. A field that it has not is an error, for it would be
    lost.
    """

    def __init__(self, text: str) -> None:
        self._named: dict[str, Any] = {}
        try:
            self._schema = parse_schema(orjson.loads(text), named_schemas=self._named)
        except Exception as error:  # of the schema, by whichever library
            raise Unencodable(f"the registered schema is no Avro schema: {error!s:.200}") from error

    def value(self, data: dict[str, Any]) -> bytes:
        """Writes one message. Raises Unencodable, which names what does not fit."""
        fitted = self._fitted(data, self._schema, "data")
        written = io.BytesIO()
        try:
            validate(fitted, self._schema, raise_errors=True)
            fastavro.schemaless_writer(written, self._schema, fitted)
        except (ValidationError, ValueError, TypeError, ArithmeticError, KeyError) as error:
            raise Unencodable(f"its Avro schema does not take it: {error!s:.300}") from error
        return written.getvalue()

    def _fitted(self, value: Any, schema: Any, path: str) -> Any:
        """Returns the value as the schema asks for it; as it is, where it does not fit."""
        if isinstance(schema, list):
            branch = next((each for each in schema if self._takes(value, each)), None)
            return value if branch is None else self._fitted(value, branch, path)
        schema = self._resolved(schema)
        if isinstance(value, DBRef):
            value = dict(value.as_doc())
        match schema["type"]:
            case "record" if isinstance(value, dict):
                return self._record(value, schema, path)
            case "map" if isinstance(value, dict):
                return {name: self._fitted(each, schema["values"], f"{path}.{name}") for name, each in value.items()}
            case "array" if isinstance(value, list):
                return [self._fitted(each, schema["items"], f"{path}[{at}]") for at, each in enumerate(value)]
            case "string" if isinstance(value, (*_TEXTS, *_DATES)):
                return str(value) if isinstance(value, _TEXTS) else dates.text(value)
            case "long" if isinstance(value, _DATES):
                return dates.milliseconds(value) if "logicalType" not in schema else _date(value)
            case "bytes" | "fixed" if isinstance(value, Decimal128):
                return value.to_decimal()
            case "bytes" | "fixed" if isinstance(value, ObjectId):
                return value.binary
        return value

    def _record(self, value: dict[str, Any], schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        fields = {field["name"]: field for field in schema["fields"]}
        lost = next((name for name in value if name not in fields), None)
        if lost is not None:
            raise Unencodable(f"{path}.{lost} is not in its Avro schema, and would be lost")
        return {name: self._fitted(each, fields[name]["type"], f"{path}.{name}") for name, each in value.items()}

    def _resolved(self, schema: Any) -> Any:
        """Returns a schema that is a dict with its own type, whichever way it was written."""
        while True:
            if isinstance(schema, str):
                schema = self._named.get(schema, {"type": schema})
            elif isinstance(schema["type"], dict):
                schema = schema["type"]
            else:
                return schema

    def _takes(self, value: Any, branch: Any) -> bool:
        """Tells whether a branch of a union is for such a value."""
        schema = self._resolved(branch)
        match schema["type"]:
            case "null":
                return value is None
            case "boolean":
                return isinstance(value, bool)
            case "int":
                return isinstance(value, int) and not isinstance(value, bool) and -_INT32 <= value < _INT32
            case "long":
                return isinstance(value, (int, *_DATES)) and not isinstance(value, bool)
            case "float" | "double":
                return isinstance(value, float)
            case "string":
                return isinstance(value, (str, *_TEXTS, *_DATES))
            case "enum":
                return value in schema["symbols"]
            case "array":
                return isinstance(value, list)
            case "record":
                return isinstance(value, dict) and value.keys() <= {field["name"] for field in schema["fields"]}
            case "map":
                return isinstance(value, dict)
        is_number = isinstance(value, Decimal128) and schema.get("logicalType") == "decimal"
        return is_number or isinstance(value, bytes)


def _date(value: datetime | DatetimeMS) -> datetime | int:
    return value if isinstance(value, datetime) else int(value)
