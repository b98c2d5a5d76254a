"""What settings choose among, for how records are made. Loads nothing: the command line names the choices."""

from __future__ import annotations

from typing import Literal

Encoding = Literal["json", "extended-json", "bson", "cloudevents", "cloudevents-structured", "avro", "json-schema"]
Timestamp = Literal["produced", "created"]
DEFAULT_TOPIC = "{database}.{outbox}"
"""One topic for each outbox: all messages of a key are in one partition, in order, whatever their types."""
