"""Measures making Kafka records of what the log holds, in each encoding, beside the wire contract's JSON."""

from __future__ import annotations

import json
import random
import time

from bench.rig.benchmark import Figures, InTurns
from bench.rig.stage import Stage
from outbox.shares.share import ALL
from relay import RecordFormat, Topics
from relay.config import RelayConfig
from relay.encoding.choices import Encoding
from relay.registry import RegisteredSchema
from relay.testing import MemorySink

_TEXT, _NUMBER = {"type": "string"}, {"type": "long"}
_LINE = {
    "type": "record", "name": "Line",
    "fields": [
        {"name": "sku", **_TEXT}, {"name": "title", **_TEXT},
        {"name": "quantity", **_NUMBER}, {"name": "cents", **_NUMBER},
    ],
}  # fmt: skip
_MESSAGE = {
    "type": "record", "name": "Message",
    "fields": [
        {"name": "order_id", **_TEXT}, {"name": "sent", **_NUMBER},
        *({"name": name, "type": ["null", "string"], "default": None} for name in ("customer", "currency", "total")),
        {"name": "placed", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": None},
        {"name": "lines", "type": {"type": "array", "items": _LINE}, "default": []},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}  # fmt: skip


class Schemas:
    """Is Registry: has a schema for the benchmarks' messages, of each kind."""

    def __init__(self, encoding: Encoding) -> None:
        self._is_avro = encoding == "avro"

    def look_up(self, type: str, topic: str) -> RegisteredSchema:
        kind, schema = ("AVRO", _MESSAGE) if self._is_avro else ("JSON", {"type": "object", "required": ["order_id"]})
        return RegisteredSchema(1, kind, json.dumps(schema))


class Encode(InTurns):
    """Encodes the batches of a full log as a relay does; nothing is read or sent meanwhile."""

    bare_is = "the same records as JSON"

    def __init__(self, stage: Stage, encoding: Encoding) -> None:
        self._stage = stage
        self._encoding = encoding

    def ours(self) -> Figures:
        return self._encoded(self._encoding)

    def bare(self) -> Figures:
        return self._encoded("json")

    def _encoded(self, encoding: Encoding) -> Figures:
        outbox = self._stage.full
        config = RelayConfig(
            outbox,
            "bench",
            "beginning",
            "stop",
            random.random,
            Topics(),
            RecordFormat(encoding, registry=Schemas(encoding)),
        )
        encoder = config.encoder(MemorySink(), outbox.log.identity())
        batches = outbox.log.batches_from(1, 100)
        encoder.encode(batches[0].records())  # from here on the topics are known
        began, records = time.process_time(), 0
        for batch in batches:
            portions = encoder.encode_plain(batch, ALL)
            made = next(iter(portions))[0] if portions is not None else encoder.encode(batch.records())[0]
            records += len(made)
        if records != batches[-1].last:
            raise RuntimeError(f"{encoding}: {records} of {batches[-1].last} records were encoded")
        return {"CPU µs/record": 1e6 * (time.process_time() - began) / records}
