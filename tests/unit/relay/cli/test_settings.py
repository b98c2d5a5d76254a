"""Flags, environment and file, in this order of weight."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from relay.cli.settings import TopicLayout, load
from relay.cli.settings_sources import pairs
from relay.errors import InvalidSettings
from tests.actors.settings_file import BASICS, from_file

pytestmark = pytest.mark.usefixtures("no_environment")


def test_the_defaults_are_the_documented_ones() -> None:
    (one,) = load(BASICS).outboxes

    assert (one.outbox, one.topic, one.name, one.start, one.create_topic, one.on_poison, one.exactly_once) == (
        "outbox", "{database}.{outbox}", "kafka", "beginning", None, "stop", False,
    )  # fmt: skip
    assert (one.shares, one.sequence) == (None, True)


@pytest.mark.parametrize(
    ("shares", "advice"), [("0", "give 1 or more"), ("257", "give 256 or less"), ("many", "give a whole number")]
)
def test_a_number_of_shares_that_cannot_be_is_refused(shares: str, advice: str) -> None:
    with pytest.raises(InvalidSettings, match=f"--shares: {advice}"):
        load({**BASICS, "shares": shares})


@pytest.mark.parametrize(
    ("lease", "advice"),
    [
        ("0.99", "give 1 or more"), ("120.5", "give 120 or less"), ("-3", "give 1 or more"), ("soon", "give a number"),
        ("nan", "give a number"), ("inf", "give a number"), ("5s", "give a number"),
    ],
)  # fmt: skip
def test_a_lease_time_that_makes_no_sense_is_refused(lease: str, advice: str) -> None:
    with pytest.raises(InvalidSettings, match=f"--lease: {advice}"):
        load({**BASICS, "lease": lease})


@pytest.mark.parametrize("lease", ["1", "120", "2.5"])
def test_a_lease_time_is_given_in_seconds(lease: str) -> None:
    assert load({**BASICS, "lease": lease}).outboxes[0].lease == float(lease)


def test_a_lease_time_is_three_seconds_unless_told_otherwise() -> None:
    assert load(BASICS).outboxes[0].lease == 3


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELAY_TOPIC", "environment")
    monkeypatch.setenv("RELAY_NAME", "environment")
    text = 'mongo = "mongodb://h"\ndatabase = "file"\ntopic = "file"\nname = "file"'

    (one,) = from_file(tmp_path, text, topic="flag").outboxes

    assert (one.topic, one.name, one.database) == ("flag", "environment", "file")


def test_every_setting_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "MONGO": "mongodb://h", "DATABASE": "shop", "OUTBOX": "orders", "KAFKA": "k:9092", "TOPIC": "t", "NAME": "n",
        "START": "latest", "CREATE_TOPIC": "partitions=3,replication=2", "SET": "linger.ms=5,client.id=me",
        "LOG_LEVEL": "debug", "ONCE": "true", "ON_POISON": "park-key", "EXACTLY_ONCE": "true", "SHARES": "4",
        "SEQUENCE": "false", "LEASE": "5.5", "LISTEN": "[::1]:9464",
        "ENCODING": "bson", "KEY_FROM": "type", "PARTITION_KEY": "header.tenant", "HEADER_MAP": "id=message-id,seq=",
        "HEADER_PREFIX": "x-", "TIMESTAMP": "created", "PROFILE": "debezium",
        "SCHEMA_REGISTRY": "http://h:8081", "SUBJECT": "{topic}-value",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(f"RELAY_{name}", value)

    settings = load({})

    (one,) = settings.outboxes
    assert one.model_dump(exclude={"mongo"}) == {
        "database": "shop", "outbox": "orders", "topic": "t", "name": "n", "start": "latest",
        "create_topic": {"partitions": 3, "replication": 2}, "on_poison": "park-key", "exactly_once": True,
        "shares": 4, "sequence": False, "lease": 5.5, "topics": {}, "encoding": "bson", "encodings": {},
        "key_from": "type", "partition_key": "header.tenant", "header_map": {"id": "message-id", "seq": ""},
        "header_prefix": "x-",
        "timestamp": "created", "profile": "debezium", "schema_registry": {"url": "http://h:8081"},
        "subject": "{topic}-value",
    }  # fmt: skip
    assert (settings.log_level, settings.listen) == ("debug", ("::1", 9464))
    assert (settings.kafka, settings.set, settings.once) == ("k:9092", {"linger.ms": "5", "client.id": "me"}, True)


def test_librdkafka_settings_of_all_three_are_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELAY_SET", "b=environment,c=environment")
    text = 'mongo = "m"\ndatabase = "d"\n[kafka]\na = "file"\nb = "file"\nc = "file"'

    assert from_file(tmp_path, text, set={"c": "flag"}).set == {"a": "file", "b": "environment", "c": "flag"}


def test_dotted_names_need_no_quotes_in_the_file(tmp_path: Path) -> None:
    text = 'mongo = "m"\ndatabase = "d"\n[kafka]\nbootstrap.servers = "k:1"\nlinger.ms = 5\n"socket.keepalive" = true'

    settings = from_file(tmp_path, text)

    assert (settings.kafka, settings.set) == ("k:1", {"linger.ms": "5", "socket.keepalive": "true"})


def test_each_table_is_an_outbox_and_takes_from_the_top_what_it_leaves_out(tmp_path: Path) -> None:
    text = (
        'mongo = "m"\nname = "top"\n[[outbox]]\ndatabase = "a"\n[[outbox]]\ndatabase = "b"\noutbox = "x"\nname = "own"'
    )

    outboxes = from_file(tmp_path, text).outboxes

    assert [(one.database, one.outbox, one.name) for one in outboxes] == [("a", "outbox", "top"), ("b", "x", "own")]


def test_the_flag_outbox_chooses_among_the_tables(tmp_path: Path) -> None:
    text = 'mongo = "m"\ndatabase = "d"\n[[outbox]]\noutbox = "a"\n[[outbox]]\noutbox = "b"\ntopic = "mine"'

    (one,) = from_file(tmp_path, text, outbox="b").outboxes

    assert one.topic == "mine"


def test_the_token_of_the_page_stands_above_the_tables_or_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_file = from_file(tmp_path, 'page_token = "token-of-the-file"', **BASICS)
    monkeypatch.setenv("RELAY_PAGE_TOKEN", "token-of-the-environment")
    in_environment = from_file(tmp_path, 'page_token = "token-of-the-file"', **BASICS)

    assert in_file.page_token == SecretStr("token-of-the-file")
    assert in_environment.page_token == SecretStr("token-of-the-environment")
    assert "token" not in str(in_file).replace("page_token", "")


def test_where_to_listen_stands_above_the_tables(tmp_path: Path) -> None:
    text = 'listen = "0.0.0.0:9464"\n[[outbox]]\noutbox = "a"\n[[outbox]]\noutbox = "b"'

    assert from_file(tmp_path, text, **BASICS).listen == ("0.0.0.0", 9464)
    assert from_file(tmp_path, text, listen="127.0.0.1:0", **BASICS).listen == ("127.0.0.1", 0)


def test_a_table_that_is_not_there_cannot_be_chosen(tmp_path: Path) -> None:
    text = 'mongo = "m"\ndatabase = "d"\n[[outbox]]\noutbox = "a"\n[[outbox]]\noutbox = "b"'

    with pytest.raises(InvalidSettings, match="tables for a, b"):
        from_file(tmp_path, text, outbox="c")


def test_the_same_outbox_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"\[\[outbox\]\] 1 and 3 are the same: relay 'kafka' of shop\.outbox"):
        from_file(tmp_path, '[[outbox]]\n[[outbox]]\nname = "b"\n[[outbox]]\ntopic = "other"', **BASICS)


@pytest.mark.parametrize("text", ["[outbox]\nname = 'a'", "outbox = [1]", "kafka = 'k:9092'", "a = = 1"])
def test_a_file_with_a_mistake_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidSettings):
        from_file(tmp_path, text, **BASICS)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"none\.toml: No such file"):
        load({**BASICS, "config": str(tmp_path / "none.toml")})


def test_an_address_never_shows_its_password(tmp_path: Path) -> None:
    settings = load({**BASICS, "mongo": "mongodb://user:hunter2@h"})
    assert "hunter2" not in repr(settings) + str(settings.model_dump())

    with pytest.raises(InvalidSettings) as refused:
        from_file(tmp_path, 'database = ["mongodb://user:hunter2@h"]', mongo="mongodb://h")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("beginning", "beginning"),
        ("oldest", "oldest"),
        ("17", 17),
        ("2025-01-31", datetime(2025, 1, 31, tzinfo=UTC)),
        ("2025-01-31T12:00+02:00", datetime(2025, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_a_start_is_a_word_a_seq_or_a_date(text: str, start: object) -> None:
    assert load({**BASICS, "start": text}).outboxes[0].start == start


def test_a_date_of_toml_is_one_too(tmp_path: Path) -> None:
    (one,) = from_file(tmp_path, "start = 2025-01-31T12:00:00Z", **BASICS).outboxes

    assert one.start == datetime(2025, 1, 31, 12, tzinfo=UTC)


def test_a_topic_layout_is_two_numbers() -> None:
    (one,) = load({**BASICS, "create_topic": "partitions=3,replication=1"}).outboxes

    assert one.create_topic == TopicLayout(partitions=3, replication=1)


def test_a_pair_is_split_at_its_first_equals_sign() -> None:
    assert pairs(["sasl.password=a=b"]) == {"sasl.password": "a=b"}


def test_a_pair_without_a_value_is_refused_by_its_place_for_it_may_be_a_secret() -> None:
    with pytest.raises(ValueError, match="^number 1 is not KEY=VALUE$"):
        pairs(["acks"])


# ---- what records are made of messages


def test_encodings_and_topics_of_single_types_come_from_tables_of_the_file(tmp_path: Path) -> None:
    text = """
        mongo = "m"
        database = "d"
        encoding = "cloudevents"
        [[outbox]]
        outbox = "orders"
        [outbox.encodings]
        "order.placed" = "bson"
        order.cancelled = "json"
        [outbox.topics]
        order.placed = "placed"
        [[outbox]]
        outbox = "payments"
    """

    orders, payments = from_file(tmp_path, text).outboxes

    formats = orders.record_format, payments.record_format
    assert [each.of("order.placed") for each in formats] == ["bson", "cloudevents"]
    assert [each.of("order.cancelled") for each in formats] == ["json", "cloudevents"]
    assert orders.template.name("order.placed", outbox="orders", database="d") == "placed"
    assert orders.template.name("order.cancelled", outbox="orders", database="d") == "d.orders"


def test_a_profile_gives_defaults_and_what_is_said_beside_it_counts() -> None:
    basics = {"mongo": "m", "database": "d", "profile": "debezium"}
    alone, beside = load(basics).outboxes[0], load({**basics, "topic": "t", "header_map": "type=kind,seq="}).outboxes[0]

    topics = [each.template.name("order.placed", outbox="o", database="d") for each in (alone, beside)]
    assert topics == ["outbox.event.order", "t"]
    assert alone.record_format.headers.names == {"type": "eventType"}
    assert beside.record_format.headers.names == {"type": "kind", "seq": ""}


def test_a_registry_s_settings_may_be_a_table_of_the_file(tmp_path: Path) -> None:
    text = """
        mongo = "m"
        database = "d"
        encoding = "avro"
        [schema_registry]
        url = "mock://h"
        basic.auth.user.info = "me:secret"
    """

    [one] = from_file(tmp_path, text).outboxes

    assert one.schema_registry == {"url": "mock://h", "basic.auth.user.info": "me:secret"}
    assert "secret" not in repr(one)
    assert one.record_format.needs_registry
