"""The command `relay` between two servers that want TLS and a user."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AclOperation
from pymongo import MongoClient
from pymongo.database import Database

from outbox import Outbox
from tests.actors.consumer import header, read_topic
from tests.actors.database_users import grant
from tests.actors.order_service import MESSAGES, new_outbox, placed
from tests.servers.certificates import CLIENT_SUBJECT
from tests.servers.kafka import create_topic
from tests.servers.secured_kafka import MECHANISMS, PASSWORD, SecuredKafka
from tests.servers.secured_mongo import SecuredMongo

RELAY = [sys.executable, "-c", "from relay.cli import main; main()"]
Document = dict[str, Any]


@pytest.fixture
def database(secured: SecuredMongo) -> Iterator[Database[Document]]:
    """As an administrator sees it; the relay's user `relay` has the password `relay`."""
    with secured.root() as client:
        database = client[f"test_{uuid.uuid4().hex}"]
        grant(client, database, "relay", "outboxRelay")
        yield database
        database.command("dropAllUsersFromDatabase")
        database.command("dropAllRolesFromDatabase")
        client.drop_database(database.name)


@pytest.fixture
def orders(database: Database[Document]) -> Outbox:
    return new_outbox(database)


@pytest.fixture
def topic(secured_kafka: SecuredKafka) -> str:
    """A new topic, to which the user `relay` and the client certificate may write, and do no more."""
    name = f"test.{uuid.uuid4().hex}"
    create_topic(secured_kafka.bootstrap, name)
    for user in ("relay", CLIENT_SUBJECT):
        secured_kafka.allow(user, name, AclOperation.WRITE)
    return name


def relay(mongo: str, database: str, kafka: str, topic: str, settings: dict[str, str]) -> Any:
    """`relay run --once`, with all that is secret in its environment."""
    flags = [f"--set={key}={value}" for key, value in settings.items() if "," in value]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RELAY_")},
        "RELAY_MONGO": mongo,
        "RELAY_DATABASE": database,
        "RELAY_KAFKA": kafka,
        "RELAY_TOPIC": topic,
        "RELAY_SET": ",".join(f"{key}={value}" for key, value in settings.items() if "," not in value),
    }
    return subprocess.run(
        [*RELAY, "run", "--once", *flags], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_it_relays_over_tls_with_a_user_and_a_password_on_both_sides(
    secured: SecuredMongo,
    secured_kafka: SecuredKafka,
    database: Database[Document],
    orders: Outbox,
    topic: str,
    mechanism: str,
) -> None:
    """MongoDB's side is SCRAM-SHA-256, as the driver and the server agree on by themselves; here nothing else goes."""
    id = orders.put(placed(1), standalone=True)
    mongo = secured.uri("relay", "relay", source=database.name) + "&authMechanism=SCRAM-SHA-256"

    done = relay(mongo, database.name, secured_kafka.for_password, topic, secured_kafka.password_settings(mechanism))

    assert done.returncode == 0, done.stderr
    [found] = read_topic(secured_kafka.bootstrap, topic, lambda messages: len(messages) >= 1)
    assert header(found, "id") == str(id)


def test_it_relays_with_client_certificates_on_both_sides(
    secured: SecuredMongo, secured_kafka: SecuredKafka, database: Database[Document], orders: Outbox, topic: str
) -> None:
    external = database.client["$external"]
    external.command("grantRolesToUser", CLIENT_SUBJECT, roles=[{"role": "outboxRelay", "db": database.name}])
    id = orders.put(placed(1), standalone=True)

    settings = secured_kafka.certificate_settings
    done = relay(secured.x509_uri, database.name, secured_kafka.for_certificate, topic, settings)

    assert done.returncode == 0, done.stderr
    [found] = read_topic(secured_kafka.bootstrap, topic, lambda messages: len(messages) >= 1)
    assert header(found, "id") == str(id)


def test_a_service_puts_over_tls_in_a_transaction(
    secured: SecuredMongo, database: Database[Document], orders: Outbox
) -> None:
    grant(database.client, database, "service", "outboxService")
    with MongoClient[Document](secured.uri("service", "service", source=database.name)) as client:
        service = Outbox(client[database.name], messages=MESSAGES, sequence=False)
        with client.start_session() as session, session.start_transaction():
            id = service.put(placed(1), session=session)

    orders.sequence()
    assert [record.id for record in orders.read()] == [id]


def test_a_wrong_password_for_mongodb_ends_it_with_2(
    secured: SecuredMongo, secured_kafka: SecuredKafka, database: Database[Document], topic: str
) -> None:
    done = relay(secured.uri("relay", "sekret"), database.name, secured_kafka.bootstrap, topic, {})

    assert done.returncode == 2
    assert "MongoDB refused the user or password" in done.stderr
    assert "sekret" not in done.stderr


def test_a_client_that_does_not_speak_tls_gets_no_answer_and_ends_with_3(
    secured: SecuredMongo, secured_kafka: SecuredKafka, database: Database[Document], topic: str
) -> None:
    done = relay(f"mongodb://{secured.address}/?replicaSet=rs0", database.name, secured_kafka.bootstrap, topic, {})

    assert done.returncode == 3
    assert "MongoDB did not answer" in done.stderr


def test_without_a_user_it_ends_with_4_and_says_where_the_roles_are(
    secured: SecuredMongo, secured_kafka: SecuredKafka, database: Database[Document], orders: Outbox, topic: str
) -> None:
    mongo = f"mongodb://{secured.address}/?replicaSet=rs0&{secured.tls}"

    done = relay(mongo, database.name, secured_kafka.bootstrap, topic, {})

    assert done.returncode == 4
    assert "requires authentication" in done.stderr
    assert "docs/security.md" in done.stderr


def test_with_too_few_privileges_it_names_them_and_ends_with_4(
    secured: SecuredMongo, secured_kafka: SecuredKafka, database: Database[Document], orders: Outbox, topic: str
) -> None:
    grant(database.client, database, "reader", "outboxReader")
    mongo = secured.uri("reader", "reader", source=database.name)

    done = relay(mongo, database.name, secured_kafka.bootstrap, topic, {})

    assert done.returncode == 4
    assert f"collMod, collStats, insert on {database.name}.outbox" in done.stderr
    assert "docs/security.md" in done.stderr


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_for_kafka_ends_it_with_3_and_says_why(
    secured: SecuredMongo,
    secured_kafka: SecuredKafka,
    database: Database[Document],
    orders: Outbox,
    topic: str,
    mechanism: str,
) -> None:
    settings = {**secured_kafka.password_settings(mechanism), "sasl.password": "sekret"}
    mongo = secured.uri("relay", "relay", source=database.name)

    done = relay(mongo, database.name, secured_kafka.for_password, topic, settings)

    assert done.returncode == 3
    assert "Authentication failed" in done.stderr
    assert "sekret" not in done.stderr


def test_a_user_of_kafka_without_the_right_to_write_ends_it_with_4(
    secured: SecuredMongo, secured_kafka: SecuredKafka, database: Database[Document], orders: Outbox, topic: str
) -> None:
    settings = {**secured_kafka.password_settings(), "sasl.username": "stranger", "sasl.password": "s"}
    mongo = secured.uri("relay", "relay", source=database.name)

    done = relay(mongo, database.name, secured_kafka.for_password, topic, settings)

    assert done.returncode == 4
    assert "no right to write to the topic" in done.stderr


def test_an_authority_that_did_not_sign_the_server_s_certificate_is_not_believed(
    secured: SecuredMongo, secured_kafka: SecuredKafka, database: Database[Document], orders: Outbox, topic: str
) -> None:
    stranger = secured_kafka.certificates.client  # signs nobody
    settings = {**secured_kafka.password_settings(), "ssl.ca.location": str(stranger)}
    mongo = secured.uri("relay", "relay", source=database.name)

    done = relay(mongo, database.name, secured_kafka.for_password, topic, settings)
    untrusting = mongo.replace("ca.pem", "client.pem")
    other = relay(untrusting, database.name, secured_kafka.for_password, topic, secured_kafka.password_settings())

    assert (done.returncode, other.returncode) == (3, 2), (done.stderr, other.stderr)  # MongoDB's is a wrong setting
    assert PASSWORD not in done.stderr + other.stderr
