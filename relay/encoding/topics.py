"""Names the Kafka topic of a message, by a template with its type."""

from __future__ import annotations

import re
import string

from relay.errors import InvalidSettings

DEFAULT_TOPIC = "{database}.{outbox}"
"""One topic for each outbox: all messages of a key are in one partition, in order, whatever their types."""
_FIELDS = ("type", "outbox", "database")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


class Topics:
    """A topic template: text with `{database}`, `{outbox}` and `{type}`; `{{` and `}}` stand for braces.

    Immutable, thread-safe. Raises InvalidSettings for any other field.
    """

    def __init__(self, template: str = DEFAULT_TOPIC) -> None:
        self.template = template
        try:
            parts = list(string.Formatter().parse(template))
        except ValueError as error:
            raise InvalidSettings(f"topic template {template!r}: {error}") from error
        for _, field, spec, conversion in parts:
            if field is not None and (field not in _FIELDS or spec or conversion):
                raise InvalidSettings(
                    f"topic template {template!r}: only {{database}}, {{outbox}} and {{type}} can stand in braces; "
                    f"write {{{{ for a brace"
                )

    def name(self, type: str, *, outbox: str, database: str) -> str:
        """Returns the topic for messages of `type`. Raises InvalidSettings when Kafka would not take the name."""
        topic = self.template.format(type=type, outbox=outbox, database=database)
        if _TOPIC.fullmatch(topic) is None or topic in {".", ".."}:
            raise InvalidSettings(
                f"topic template {self.template!r} gives {topic!r} for type {type!r}: a topic is 1 to 249 letters, "
                f"digits, '.', '_' or '-', and not '.' or '..'"
            )
        return topic
