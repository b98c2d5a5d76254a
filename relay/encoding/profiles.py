"""Formats of other relays, for consumers that have been written for those."""

from __future__ import annotations

from typing import Literal

Profile = Literal["debezium"]
DEBEZIUM_TOPIC = "outbox.event.{aggregate}"
"""Where Debezium's outbox event router sends messages to, by its default `route.topic.replacement`."""
DEBEZIUM_HEADERS = {"type": "eventType"}
"""As its documentation places the type (`table.fields.additional.placement=type:header:eventType`); `id` is its own."""
