"""Names the Kafka topic of a message, by a template with what is known of it, or by a table of types."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

from outbox.messages.json_value import Unencodable
from relay.encoding.choices import DEFAULT_TOPIC
from relay.errors import InvalidSettings

_OF_A_TYPE = ("type", "aggregate", "outbox", "database")
_HEADER = "header."
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_NOTHING: Mapping[str, str] = {}


class Topics:
    """A topic template: text with `{database}`, `{outbox}`, `{type}`, `{aggregate}` (the type up to its last dot),
    `{key}` and `{header.NAME}`; `{{` and `}}` stand for braces.

    by_type: templates for single types, which go before the other one.

    Immutable, thread-safe. Raises InvalidSettings for any other field.
    """

    def __init__(self, template: str = DEFAULT_TOPIC, by_type: Mapping[str, str] = _NOTHING) -> None:
        self.template = template
        self.by_type = dict(by_type)
        self._parts = {each: _parts(each) for each in (template, *self.by_type.values())}

    def is_fixed(self, type: str) -> bool:
        """Tells whether all messages of the type have one topic, whatever their keys and headers."""
        return all(field is None or field in _OF_A_TYPE for _, field in self._parts[self._template(type)])

    @property
    def are_fixed(self) -> bool:
        """Tells whether that is so for every type."""
        return all(map(self.is_fixed, ["", *self.by_type]))

    def name(
        self, type: str, *, outbox: str, database: str, key: str | None = None, headers: Mapping[str, str] = _NOTHING
    ) -> str:
        """Returns the topic of a message. Raises InvalidSettings when Kafka would not take the name, Unencodable when
        that is because of the message's own key or headers."""
        template = self._template(type)
        known = {"type": type, "aggregate": type.rpartition(".")[0] or type, "outbox": outbox, "database": database}
        topic = ""
        for text, field in self._parts[template]:
            topic += text
            if field is not None:
                topic += known[field] if field in known else _of_message(field, key, headers)
        if _TOPIC.fullmatch(topic) is None or topic in {".", ".."}:
            fault = (
                f"topic template {template!r} gives {topic!r} for type {type!r}: a topic is 1 to 249 letters, "
                f"digits, '.', '_' or '-', and not '.' or '..'"
            )
            raise InvalidSettings(fault) if self.is_fixed(type) else Unencodable(fault)
        return topic

    def _template(self, type: str) -> str:
        return self.by_type.get(type, self.template)


def _parts(template: str) -> list[tuple[str, str | None]]:
    """Cuts a template into texts, each with the field that follows it."""
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise InvalidSettings(f"topic template {template!r}: {error}") from error
    for _, field, spec, conversion in parts:
        is_known = field in _OF_A_TYPE or field == "key" or (field or "").removeprefix(_HEADER) not in ("", field)
        if field is not None and (not is_known or spec or conversion):
            raise InvalidSettings(
                f"topic template {template!r}: only {{database}}, {{outbox}}, {{type}}, {{aggregate}}, {{key}} and "
                f"{{header.NAME}} can stand in braces; write {{{{ for a brace"
            )
    return [(text, field) for text, field, _, _ in parts]


def _of_message(field: str, key: str | None, headers: Mapping[str, str]) -> str:
    found = key if field == "key" else headers.get(field.removeprefix(_HEADER))
    if found is None:
        what = "key" if field == "key" else f"header {field.removeprefix(_HEADER)!r}"
        raise Unencodable(f"it has no {what}, which its topic is named by")
    return found
