"""How messages become Kafka records: in which encoding, with which key, headers and date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from relay.encoding.choices import Encoding, Timestamp
from relay.encoding.header_names import HeaderNames
from relay.encoding.key_from import KeyFrom
from relay.encoding.registered import check_extra
from relay.encoding.values import AVRO, BSON, EXTENDED_JSON, JSON, Form
from relay.errors import InvalidSettings
from relay.registry import Registry

_FORMS: dict[str, Form] = {
    **dict.fromkeys(("json", "cloudevents", "cloudevents-structured", "json-schema"), JSON),
    "extended-json": EXTENDED_JSON,
    "bson": BSON,
    "avro": AVRO,
}
_BARE = frozenset({"json", "extended-json", "bson"})
"""Those whose value is as it was made, with no envelope and no frame."""

_REGISTERED = frozenset({"avro", "json-schema"})


@dataclass(frozen=True)
class RecordFormat:
    """Says what a relay makes of a message. Immutable, thread-safe; raises InvalidSettings.

    encoding: of the value. encodings: of single types, before that. key: where the record's key comes from. headers:
    the names of headers. timestamp: the record's date is when it is `produced`, or when the message was `created`.
    registry: has the schemas of the encodings `avro` and `json-schema`. partition: what the partition is chosen by, as
    a key would choose it; None: by the key.
    """

    encoding: Encoding = "json"
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    key: KeyFrom = field(default_factory=KeyFrom)
    headers: HeaderNames = field(default_factory=HeaderNames)
    timestamp: Timestamp = "produced"
    registry: Registry | None = None
    partition: KeyFrom | None = None

    def __post_init__(self) -> None:
        for each in self.all_encodings:
            if each not in get_args(Encoding):
                raise InvalidSettings(f"encoding {each!r}: there are {', '.join(get_args(Encoding))}")
        if self.timestamp not in get_args(Timestamp):
            raise InvalidSettings(f"timestamp {self.timestamp!r}: give produced or created")
        if self.partition is not None and self.partition.words == "none":
            raise InvalidSettings("--partition-key none: give key, type, id, header.NAME or data.FIELD")
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

    def form(self, type: str) -> Form:
        """Returns how the values of a type are made, before they get a frame or an envelope."""
        return _FORMS[self.of(type)]

    @property
    def is_of_values(self) -> bool:
        """Tells whether records differ from the wire contract's in their values alone."""
        return self.all_encodings <= _BARE and self.key.words == "key" and not self.needs_origin

    @property
    def needs_origin(self) -> bool:
        """Tells whether a sink has to know more of a record than is to be seen of it, see relay.origin."""
        return bool(self.headers.names) or self.timestamp == "created" or self.partition is not None
