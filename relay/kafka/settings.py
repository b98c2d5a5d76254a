"""The settings of Kafka's clients: what cannot be changed, our defaults, and the checks of what is given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from relay.errors import InvalidSettings

LOCKED: Mapping[str, str | bool | int] = {
    "enable.idempotence": True,
    # One record that fails for good ends the producer: without this, later records of its key overtake it (measured).
    "enable.gapless.guarantee": True,
    "acks": "all",
    # For ever: with a finite time later records of a key overtake one that timed out (measured).
    "message.timeout.ms": 0,
    # Where Java's clients place keys, so that a topic with several writers keeps each key in one partition.
    "partitioner": "murmur2_random",
    # Looking a topic up may create it (measured), with the broker's defaults instead of the wanted partitions.
    "allow.auto.create.topics": False,
    # More than a topic takes in practice, so that it is the broker who names the record it refuses; before compression.
    # Less than a broker takes at once (`socket.request.max.bytes`, 100 MiB): it would cut the connection off.
    "message.max.bytes": 64 << 20,
    "delivery.report.only.error": False,
}
"""Settings that cannot be changed: delivery, order or placement would be weaker."""

_OTHER_NAMES = {"request.required.acks": "acks", "delivery.timeout.ms": "message.timeout.ms"}
_ELSEWHERE = {
    "bootstrap.servers": "it is given as --kafka",
    "metadata.broker.list": "it is given as --kafka",
    "transactional.id": "--exactly-once makes it from the database, the outbox and the relay's name",
}
DEFAULTS: Mapping[str, str | int] = {
    # Records come in chunks, so batches form by themselves: 1 or 5 ms more were all delay and no throughput (measured:
    # acknowledged after 1.1 ms at 200/s, against 2.0 and 6.5; from a full log no difference beyond the noise).
    "linger.ms": 0,
    # What the sink may hold, which bounds the process's memory however long a broker is away; a record that is larger
    # alone cannot be sent. All that `put` takes is smaller.
    "queue.buffering.max.messages": 10_000,
    "queue.buffering.max.kbytes": 20 << 10,
    "client.id": "mongo-outbox-relay",
}
"""Settings of ours that may be changed."""

_FILES = (
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "ssl.crl.location",
    "https.ca.location",
)
_PERHAPS_FOLDERS = ("ssl.ca.location", "https.ca.location")


def check_settings(settings: Mapping[str, str]) -> None:
    """Raises InvalidSettings for a setting that is locked, naming it and never its value."""
    for key in settings:
        name = _OTHER_NAMES.get(key, key)
        if name in LOCKED:
            raise InvalidSettings(f"the Kafka setting {key!r} is locked to {LOCKED[name]!r}: guarantees stand on it")
        if key in _ELSEWHERE:
            raise InvalidSettings(f"the Kafka setting {key!r} cannot be set here: {_ELSEWHERE[key]}")


def check_files(settings: Mapping[str, str]) -> None:
    """Raises InvalidSettings for a file that is not there, cannot be read, or is empty.

    Call it before a client is made: librdkafka says which setting failed, but not why.
    """
    for name in _FILES:
        path = settings.get(name, "")
        if not path or path == "probe" or (name in _PERHAPS_FOLDERS and Path(path).is_dir()):
            continue
        try:
            with Path(path).open("rb") as file:
                is_empty = not file.read(1)
        except (OSError, ValueError) as error:  # ValueError: a path with a null in it
            why = getattr(error, "strerror", error)
            raise InvalidSettings(f"the Kafka setting {name!r}: {path}: {why}") from None
        if is_empty:
            raise InvalidSettings(f"the Kafka setting {name!r}: {path}: the file is empty")
