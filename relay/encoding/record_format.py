"""How messages become Kafka records: in which encoding, with which key, headers and date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from relay.encoding.header_names import HeaderNames
from relay.encoding.key_from import KeyFrom
from relay.encoding.registered import check_extra
from relay.errors import InvalidSettings
from relay.registry import Registry

Encoding = Literal["json", "extended-json", "bson", "cloudevents", "cloudevents-structured", "avro", "json-schema"]
Timestamp = Literal["produced", "created"]
_JSON = frozenset({"json", "cloudevents", "cloudevents-structured", "json-schema"})
"""Those whose value is, or has in it, the JSON of the wire contract: the compiled encoder makes it."""

_REGISTERED = frozenset({"avro", "json-schema"})


@dataclass(frozen=True)
class RecordFormat:
    """Says what a relay makes of a message. Immutable, thread-safe; raises InvalidSettings.

    encoding: of the value. encodings: of single types, before that. key: where the record's key comes from. headers:
    the names of headers. timestamp: the record's date is when it is `produced`, or when the message was `created`.
    registry: has the schemas of the encodings `avro` and `json-schema`.
    """

    encoding: Encoding = "json"
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    key: KeyFrom = field(default_factory=KeyFrom)
    headers: HeaderNames = field(default_factory=HeaderNames)
    timestamp: Timestamp = "produced"
    registry: Registry | None = None

    def __post_init__(self) -> None:
        for each in self.all_encodings:
            if each not in get_args(Encoding):
                raise InvalidSettings(f"encoding {each!r}: there are {', '.join(get_args(Encoding))}")
        if self.timestamp not in get_args(Timestamp):
            raise InvalidSettings(f"timestamp {self.timestamp!r}: give produced or created")
        if self.needs_registry:
            if self.registry is None:
                raise InvalidSettings("the encodings avro and json-schema need a --schema-registry")
            check_extra()

    @property
    def all_encodings(self) -> frozenset[str]:
        """All encodings that may be needed."""
        return frozenset({self.encoding, *self.encodings.values()})

    @property
    def needs_registry(self) -> bool:
        """Tells whether some values are made by registered schemas."""
        return not self.all_encodings.isdisjoint(_REGISTERED)

    def of(self, type: str) -> str:
        """Returns the encoding of a type."""
        return self.encodings.get(type, self.encoding)

    @property
    def is_default(self) -> bool:
        """Tells whether records are as the wire contract has them."""
        return self.all_encodings == {"json"} and self.key.words == "key" and self.has_usual_headers

    @property
    def has_usual_headers(self) -> bool:
        """Tells whether the relay's own headers have their names, and the record no date but that of its producing."""
        return not self.headers.names and self.timestamp == "produced"

    @property
    def is_of_json(self) -> bool:
        """Tells whether all values are made of the wire contract's JSON."""
        return self.all_encodings <= _JSON
