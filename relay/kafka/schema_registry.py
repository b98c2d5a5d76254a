"""Looks up schemas in a Confluent Schema Registry, or another one with its interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outbox.messages.json_value import Unencodable
from relay.errors import DeliveryRefused, InvalidSettings, Unreachable
from relay.registry import RegisteredSchema

_SECONDS = 3
_NOT_ALLOWED = (401, 403)
_LATER = (408, 429)


class SchemaRegistry:
    """Is relay.registry.Registry, by confluent-kafka's client. Thread-safe.

    settings: the client's own, by its names: `url`, `basic.auth.user.info`, `ssl.ca.location` and so on. subject: under
    which name the schema of a type is registered, with `{type}` and `{topic}`. Raises InvalidSettings.
    """

    def __init__(self, settings: Mapping[str, Any], subject: str = "{type}") -> None:
        try:
            from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415  # of an extra
        except ModuleNotFoundError as missing:
            raise InvalidSettings(
                f"{missing}; install it with: pip install '.[registry]', in the clone of this project"
            ) from None
        self._subject = _checked(subject)
        try:
            self.client = SchemaRegistryClient.new_client({"timeout": _SECONDS, "max.retries": 0, **settings})
        except (TypeError, ValueError):  # whose text may have the address, with a password in it
            raise InvalidSettings(
                "the schema registry's settings cannot be used: give a `url` that begins with http, and beside it only "
                "names that confluent-kafka's SchemaRegistryClient knows"
            ) from None

    def look_up(self, type: str, topic: str) -> RegisteredSchema:
        """See Registry."""
        from confluent_kafka.schema_registry.error import OAuthTokenError, SchemaRegistryError  # noqa: PLC0415  # as above
        from httpx2 import HTTPError  # noqa: PLC0415  # what its client raises when nobody answers

        subject = self._subject.format(type=type, topic=topic)
        try:
            found = self.client.get_latest_version(subject)
        except SchemaRegistryError as error:
            code, said = error.http_status_code, f"the schema registry said of the subject {subject!r}: {error}"
            if code in _NOT_ALLOWED:
                raise DeliveryRefused(said) from error
            if code in _LATER or code >= 500:
                raise Unreachable(said) from error
            raise Unencodable(said) from error
        except (HTTPError, OAuthTokenError) as error:
            raise Unreachable(f"the schema registry did not answer: {error.__class__.__name__}") from error
        schema = found.schema
        if schema.references or found.schema_id is None:
            raise Unencodable(f"the registered schema {subject!r} refers to others, which is not supported")
        return RegisteredSchema(found.schema_id, schema.schema_type or "AVRO", schema.schema_str or "")


def _checked(subject: str) -> str:
    try:
        if subject.format(type="", topic="") == subject:
            raise ValueError("it has neither {type} nor {topic}, so all types would have one schema")
    except (ValueError, LookupError, AttributeError) as error:
        raise InvalidSettings(f"--subject {subject!r}: give a template with {{type}} or {{topic}} ({error})") from None
    return subject
