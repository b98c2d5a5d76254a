"""Loads the relay's settings: flags win, then the environment (RELAY_…), then the file of --config or RELAY_CONFIG."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from outbox.arguments import MOST_SHARES
from outbox.dead_letters.policy import OnPoison
from outbox.mongo.patience import LEASE_SECONDS
from outbox.readers import start as start_words
from outbox.readers.start import StartAt
from relay.cli.settings_errors import describe_errors, suggestion
from relay.cli.settings_sources import (
    by_type,
    flat,
    from_text,
    listen_at,
    page_token,
    read_environment,
    read_file,
    registry_settings,
    split_pairs,
)
from relay.encoding.choices import DEFAULT_TOPIC, Encoding, Timestamp
from relay.encoding.profiles import DEBEZIUM_HEADERS, DEBEZIUM_TOPIC, Profile
from relay.errors import InvalidSettings

if TYPE_CHECKING:
    from relay.encoding.record_format import RecordFormat
    from relay.encoding.topics import Topics

# A wrong value is never shown: it may be an address with a password in it.
_CLOSED = ConfigDict(extra="forbid", hide_input_in_errors=True)
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
Listen = tuple[str, int]
PageToken = Annotated[SecretStr, BeforeValidator(page_token)]
_OF_THE_PROCESS = ("listen", "page_token")


def _start(value: object) -> object:
    try:
        return start_words.read(str(value), start_words.DURABLE_WORDS)
    except ValueError:
        raise ValueError("give beginning, oldest, latest, a seq, or a date such as 2025-01-31T12:00Z") from None


class TopicLayout(BaseModel):
    """Holds how missing topics are created; as text `partitions=3,replication=1`."""

    model_config = _CLOSED

    partitions: int = Field(ge=1)
    replication: int = Field(ge=1)


class OutboxSettings(BaseModel):
    """The settings of one outbox: a `[[outbox]]` table of the file, or what the flags and the environment name."""

    model_config = _CLOSED

    mongo: SecretStr
    database: str = Field(min_length=1)
    outbox: str = "outbox"
    topic: str = DEFAULT_TOPIC
    name: str = Field(default="kafka", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    start: Annotated[StartAt, BeforeValidator(_start)] = "beginning"
    create_topic: Annotated[TopicLayout, BeforeValidator(from_text)] | None = None
    on_poison: OnPoison = "stop"
    exactly_once: bool = False
    shares: int | None = Field(default=None, ge=1, le=MOST_SHARES)
    sequence: bool = True
    lease: float = Field(default=LEASE_SECONDS, ge=1, le=120, allow_inf_nan=False)
    topics: Annotated[dict[str, str], BeforeValidator(by_type)] = Field(default_factory=dict)
    encoding: Encoding = "json"
    encodings: Annotated[dict[str, Encoding], BeforeValidator(by_type)] = Field(default_factory=dict)
    key_from: str = "key"
    partition_key: str | None = None
    header_map: Annotated[dict[str, str], BeforeValidator(by_type), BeforeValidator(from_text)] = Field(
        default_factory=dict
    )
    header_prefix: str = ""
    timestamp: Timestamp = "produced"
    profile: Profile | None = None
    schema_registry: Annotated[dict[str, str], BeforeValidator(registry_settings)] | None = Field(
        default=None, repr=False
    )
    subject: str = "{type}"

    @property
    def full_name(self) -> str:
        """The database's and the outbox's name, as MongoDB writes a collection's."""
        return f"{self.database}.{self.outbox}"

    @property
    def template(self) -> Topics:
        """How topics are named. Raises InvalidSettings."""
        from relay.encoding.topics import Topics  # here, as below: to read settings needs no driver

        by_profile = self.profile is not None and "topic" not in self.model_fields_set
        return Topics(DEBEZIUM_TOPIC if by_profile else self.topic, self.topics)

    @property
    def record_format(self) -> RecordFormat:
        """What records are made of messages. Raises InvalidSettings."""
        from relay.encoding.header_names import HeaderNames
        from relay.encoding.key_from import KeyFrom
        from relay.encoding.record_format import RecordFormat

        names = {**(DEBEZIUM_HEADERS if self.profile is not None else {}), **self.header_map}
        headers = HeaderNames(names, self.header_prefix)
        registry = None
        if self.schema_registry is not None:
            from relay.kafka.schema_registry import SchemaRegistry  # loads a client that few need

            registry = SchemaRegistry(self.schema_registry, self.subject)
        partition = None if self.partition_key is None else KeyFrom(self.partition_key, "--partition-key")
        key = KeyFrom(self.key_from)
        return RecordFormat(self.encoding, self.encodings, key, headers, self.timestamp, registry, partition)


class _Given(BaseModel):
    """Holds what flags and environment say. They win over the file; each outbox is checked as a whole later."""

    model_config = _CLOSED

    config: str | None = None
    kafka: str | None = None
    set: dict[str, str] = Field(default_factory=dict, repr=False)
    mongo: str | None = Field(default=None, repr=False)
    database: str | None = None
    outbox: str | None = None
    topic: str | None = None
    name: str | None = None
    start: str | None = None
    create_topic: str | None = None
    on_poison: str | None = None
    exactly_once: bool | None = None
    shares: str | None = None
    sequence: bool | None = None
    lease: str | None = None
    listen: Annotated[Listen, BeforeValidator(listen_at)] | None = None
    page_token: PageToken | None = None
    encoding: str | None = None
    key_from: str | None = None
    partition_key: str | None = None
    header_map: str | None = None
    header_prefix: str | None = None
    timestamp: str | None = None
    profile: str | None = None
    schema_registry: str | None = Field(default=None, repr=False)
    subject: str | None = None
    once: bool = False
    log_level: Annotated[LogLevel, BeforeValidator(str.lower)] = "info"
    log_format: Annotated[LogFormat, BeforeValidator(str.lower)] = "text"


class Settings(BaseModel):
    """All settings of a command: at least one outbox, and one Kafka."""

    kafka: str | None
    set: dict[str, str] = Field(repr=False)
    outboxes: tuple[OutboxSettings, ...]
    once: bool
    log_level: LogLevel
    log_format: LogFormat
    listen: Listen | None
    page_token: SecretStr | None


def load(flags: Mapping[str, Any]) -> Settings:
    """Merges flags (None: not given), environment and file. Raises InvalidSettings, with a line for each mistake."""
    flags = {name: value for name, value in flags.items() if value is not None}
    values, mistakes = read_environment(os.environ, _Given.model_fields)
    environment: dict[str, Any] = {**values}
    try:
        pairs_of_kafka = split_pairs(environment.get("set", ""))
    except ValueError as error:
        mistakes.append(f"RELAY_SET: {error}; a value with a comma in it goes into the file")
        pairs_of_kafka = {}
    environment["set"] = {**pairs_of_kafka, **flags.pop("set", {})}
    given = _given({**environment, **flags}, flags, mistakes)
    file, kafka, tables, process = _read(given, mistakes)
    outboxes = _checked(tables, file, given, flags, mistakes)
    if mistakes:
        raise InvalidSettings("\n".join(dict.fromkeys(mistakes)))
    _check_distinct(outboxes)
    bootstrap = kafka.pop("bootstrap.servers", None)
    return Settings(
        kafka=bootstrap if given.kafka is None else given.kafka,
        set={**kafka, **given.set},
        outboxes=tuple(outboxes.values()),
        once=given.once,
        log_level=given.log_level,
        log_format=given.log_format,
        listen=given.listen or process.listen,
        page_token=given.page_token or process.page_token,
    )


def _given(values: dict[str, Any], flags: Mapping[str, Any], mistakes: list[str]) -> _Given:
    """Reads what flags and environment say, without what cannot be used of it."""
    try:
        return _Given.model_validate(values)
    except ValidationError as error:
        mistakes += describe_errors(error, lambda name: _written(name, flags))
        wrong = {mistake["loc"][0] for mistake in error.errors(include_input=False, include_url=False)}
        return _Given.model_validate({name: value for name, value in values.items() if name not in wrong})


def _read(given: _Given, mistakes: list[str]) -> tuple[dict[str, Any], dict[str, str], list[dict[str, Any]], _Given]:
    """Reads the file: what stands above all tables, Kafka's settings, the tables of outboxes, and what it shows."""
    try:
        file = {} if given.config is None else read_file(Path(given.config))
    except InvalidSettings as error:  # nothing can be said of what stands in it
        raise InvalidSettings("\n".join([*mistakes, str(error)])) from error
    process = _of_the_process(file, given, mistakes)
    kafka = file.pop("kafka", {})
    if not isinstance(kafka, dict):
        mistakes.append("kafka: write a table: [kafka], and below it bootstrap.servers and librdkafka's other names")
        kafka = {}
    tables = file.pop("outbox", [{}])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        mistakes.append("outbox: write [[outbox]], once for each outbox")
        tables = [{}]
    known = ["outbox", "kafka", *_OF_THE_PROCESS, *OutboxSettings.model_fields]
    for name in sorted(file.keys() - OutboxSettings.model_fields.keys()):
        mistakes.append(f"{name} in {given.config}: no such setting{suggestion(name, known)}")
        del file[name]
    return file, dict(flat(kafka)), tables, process


def _of_the_process(file: dict[str, Any], given: _Given, mistakes: list[str]) -> _Given:
    """Takes what the process shows, and to whom, out of the file."""
    try:
        return _Given.model_validate({name: file.pop(name, None) for name in _OF_THE_PROCESS})
    except ValidationError as error:
        mistakes += describe_errors(error, f"{{}} in {given.config}".format)
        return _Given()


def _checked(
    tables: list[dict[str, Any]], file: Mapping[str, Any], given: _Given, flags: Mapping[str, Any], mistakes: list[str]
) -> dict[int, OutboxSettings]:
    """Returns the outboxes by the number of their table."""
    strong = {name: value for name in OutboxSettings.model_fields if (value := getattr(given, name, None)) is not None}
    numbered = dict(enumerate(tables, start=1))
    if given.outbox is not None and len(tables) > 1:
        numbered = _only(given.outbox, numbered)
    outboxes = {}
    for number, table in numbered.items():
        at = f"[[outbox]] {number}"
        places = {
            **dict.fromkeys(file, f"in {given.config}"),
            **dict.fromkeys(table, f"in {given.config}, {at}"),
        }
        sources = {name: f"{name} {place}" for name, place in places.items()}
        sources |= {name: _written(name, flags) for name in strong}
        try:
            outboxes[number] = OutboxSettings.model_validate({**file, **table, **strong})
        except ValidationError as error:
            mistakes += describe_errors(
                error, sources.__getitem__, f"{at}: " if len(numbered) > 1 else "", OutboxSettings.model_fields
            )
    return outboxes


def _written(name: str, flags: Mapping[str, Any]) -> str:
    """Returns what the user wrote to give the setting `name`: its flag, else its variable."""
    return f"--{name.replace('_', '-')}" if name in flags else f"RELAY_{name.upper()}"


def _check_distinct(outboxes: Mapping[int, OutboxSettings]) -> None:
    """Raises InvalidSettings for two relays that would share a cursor: one of them would only ever stand by."""
    seen: dict[tuple[str, ...], int] = {}
    for number, settings in outboxes.items():
        identity = (settings.mongo.get_secret_value(), settings.database, settings.outbox, settings.name)
        if identity in seen:
            raise InvalidSettings(
                f"[[outbox]] {seen[identity]} and {number} are the same: relay {settings.name!r} of "
                f"{settings.full_name}. Remove one, or give it another `name`"
            )
        seen[identity] = number


def _only(name: str, tables: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Returns the tables of the outbox `name`. Raises InvalidSettings when there is none."""
    chosen = {number: table for number, table in tables.items() if table.get("outbox", "outbox") == name}
    if not chosen:
        known = ", ".join(str(table.get("outbox", "outbox")) for table in tables.values())
        raise InvalidSettings(f"--outbox {name}: the file has tables for {known}")
    return chosen
