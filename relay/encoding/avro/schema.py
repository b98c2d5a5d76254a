"""Makes Avro of BSON's values, as a schema asks for them."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import orjson
from fastavro.schema import parse_schema

from outbox.messages.json_value import Unencodable
from relay.encoding.avro.fits import Fits
from relay.encoding.avro.scalars import Unfit


class AvroSchema:
    """Writes data by one schema. Thread-safe. Raises Unencodable for what is no schema.

    Where the schema has a `string`, ObjectId, Decimal128, UUID and dates are written as JSON has them; where it has a
    logical type (`decimal`, `timestamp-millis`, `uuid`) as that. A field that it has not is an error, for it would be
    lost, and so is a value that would be rounded or cut.
    """

    def __init__(self, text: str) -> None:
        named: dict[str, Any] = {}
        try:
            self._schema = parse_schema(orjson.loads(text), named_schemas=named)
            self._fit = Fits(named).of(self._schema)
        except Exception as error:  # of the schema, by whichever library
            raise Unencodable(f"the registered schema is no Avro schema: {error!s:.200}") from error

    def value(self, data: dict[str, Any]) -> bytes:
        """Writes one message. Raises Unencodable, which names what does not fit."""
        written = io.BytesIO()
        try:
            # fastavro's own `validate` would look at all of it once more, and bends what is looked at here (measured:
            # it took most of the time, and a date's time of day was lost to the logical type `date`).
            fastavro.schemaless_writer(written, self._schema, self._fit(data))
        except (Unfit, ValueError, TypeError, ArithmeticError, KeyError) as error:
            raise Unencodable(f"its Avro schema does not take it: {error!s:.300}") from error
        return written.getvalue()
