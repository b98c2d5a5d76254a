"""Servers for the tests: from the environment, else from Docker, else from the installed packages."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sys
import sysconfig
import threading
import traceback
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pymongo import MongoClient
from pymongo.database import Database

import outbox
import relay
from outbox.archive import line
from outbox.embedded.child_process import ChildProcess
from outbox.embedded.mongo import EmbeddedMongo
from outbox.errors import EmbeddedUnavailable
from outbox.messages.documents import plan
from relay.encoding import encoder
from tests.distribution import pytest_collection_modifyitems, pytest_xdist_auto_num_workers
from tests.servers.docker import docker_answers, kafka_container, mongo_container
from tests.servers.kafka import KafkaBroker, create_topic
from tests.servers.kafka_jars import KafkaUnavailable
from tests.servers.mongod import CHOSEN, choose_mongod, mongod
from tests.servers.replica_set import SET_OF_ONE
from tests.servers.secured_kafka import SecuredKafka
from tests.servers.secured_mongo import SecuredMongo, secured_mongo
from tests.servers.unavailable import CI, unavailable
from tests.waiting import wait_until

__all__ = ["pytest_collection_modifyitems", "pytest_xdist_auto_num_workers"]  # found by pytest by their names

# How fast an example runs says something of the machine, and nothing of the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure() -> None:
    """In CI the built wheel is tested: a checkout that shadows it would prove nothing of what users install."""
    choose_mongod()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in the background of a script. The programs whose Ctrl-C is tested would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    installed = Path(sysconfig.get_paths()["purelib"]).resolve()
    for package in (outbox, relay):
        here = Path(package.__path__[0]).resolve()
        if CI and not here.is_relative_to(installed):
            pytest.exit(f"{package.__name__} was imported from {here}, not from the installed wheel in {installed}", 3)


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """A command that a test runs in this process leaves its handlers: a later test's Ctrl-C would set its stop."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def log_handlers() -> Iterator[None]:
    """A command that a test runs in this process logs to an output of that test: a later one's would go there."""
    loggers = [logging.getLogger(name) for name in (None, "outbox", "relay")]
    before = [(list(logger.handlers), logger.level) for logger in loggers]
    yield
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        for handler in logger.handlers[:]:
            if handler not in handlers:
                logger.removeHandler(handler)
        logger.setLevel(level)


@pytest.fixture(scope="session")
def mongo_uri() -> Iterator[str]:
    """A replica set, shared by the whole session."""
    with contextlib.ExitStack() as stack:
        if "OUTBOX_TEST_MONGO" in os.environ:
            yield os.environ["OUTBOX_TEST_MONGO"]
        elif CHOSEN is None and docker_answers():
            yield stack.enter_context(mongo_container())
        else:
            try:
                server = stack.enter_context(EmbeddedMongo(cache_gb=0.5, arguments=SET_OF_ONE))
            except EmbeddedUnavailable as error:
                unavailable("MongoDB", error, ". Or name one in OUTBOX_TEST_MONGO, or start Docker")
            yield server.uri


@pytest.fixture(scope="session")
def mongo(mongo_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        yield client


@pytest.fixture(scope="session")
def native() -> None:
    """The relay's compiled encoder."""
    need_built("relay.encoding._encoder", encoder.is_native())


@pytest.fixture(scope="session")
def writer() -> None:
    """The compiled writer of messages."""
    need_built("outbox.messages.writing._writer", plan.is_native())


@pytest.fixture(scope="session")
def lines() -> None:
    """The compiled writer of an archive's lines."""
    need_built("outbox.archive._lines", line.is_native())


def need_built(name: str, is_built: bool) -> None:
    """Skips the test of what is not built. In CI it must have been, unless there is nothing to build it with."""
    if not is_built:
        compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
        if CI and shutil.which(compiler) is not None:
            pytest.fail(f"{name} was not built, and there is {compiler}")
        pytest.skip(f"{name} is not built: pip install -e .")


@pytest.fixture
def database(mongo: MongoClient[dict[str, Any]]) -> Iterator[Database[dict[str, Any]]]:
    """A database of the test's own, dropped afterwards."""
    name = f"test_{uuid.uuid4().hex}"
    yield mongo[name]
    mongo.drop_database(name)


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[MongoClient[dict[str, Any]]]:
    """A mongod that belongs to no replica set."""
    with EmbeddedMongo() as mongo:  # for a port that is free
        port = str(mongo.port)
    log = tmp_path / "mongod.log"
    (tmp_path / "data").mkdir()
    arguments = ["--bind_ip", "127.0.0.1", "--port", port, "--dbpath", tmp_path / "data", "--nounixsocket"]
    child = ChildProcess([mongod(), *arguments], log=log, scratch=None)
    try:
        wait_until(lambda: "Waiting for connections" in log.read_text(), 30, "mongod to listen")
        with MongoClient[dict[str, Any]]("127.0.0.1", int(port), directConnection=True) as client:
            yield client
    finally:
        child.kill()


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredMongo]:
    """A replica set with access control that speaks only TLS, shared by the whole session."""
    with contextlib.ExitStack() as stack:
        try:
            mongo = stack.enter_context(secured_mongo(tmp_path_factory.mktemp("secured")))
        except (EmbeddedUnavailable, FileNotFoundError) as error:
            unavailable("MongoDB with access control", error)
        yield mongo


@pytest.fixture(scope="session")
def secured_kafka(secured: SecuredMongo) -> Iterator[SecuredKafka]:
    """A broker that wants TLS and a user, shared by the whole session. Its authority is `secured`'s."""
    with contextlib.ExitStack() as stack:
        try:
            broker = stack.enter_context(SecuredKafka(secured.certificates))
        except KafkaUnavailable as error:
            unavailable("Kafka with TLS", error)
        yield broker


@pytest.fixture
def broker() -> Iterator[KafkaBroker]:
    """A broker of the test's own, to be stopped and frozen."""
    with contextlib.ExitStack() as stack:
        try:
            broker = stack.enter_context(KafkaBroker())
        except KafkaUnavailable as error:
            unavailable("Kafka of the test's own", error)
        yield broker


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The bootstrap address of a broker that creates no topic by itself, shared by the whole session."""
    with contextlib.ExitStack() as stack:
        if "OUTBOX_TEST_KAFKA" in os.environ:
            yield os.environ["OUTBOX_TEST_KAFKA"]
        elif docker_answers():
            yield stack.enter_context(kafka_container())
        else:
            try:
                broker = stack.enter_context(KafkaBroker())
            except KafkaUnavailable as error:
                unavailable("Kafka", error, ". Or name one in OUTBOX_TEST_KAFKA, or start Docker")
            yield broker.bootstrap


@pytest.fixture
def topic_name() -> str:
    """A name that no topic has."""
    return f"test.{uuid.uuid4().hex}"


@pytest.fixture
def topic(kafka: str, topic_name: str) -> str:
    """A new topic with three partitions."""
    create_topic(kafka, topic_name)
    return topic_name


def _our_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith(("outbox", "relay"))}


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Whatever a test starts in this process must have ended with it."""
    before = _our_threads()
    yield
    try:
        wait_until(lambda: _our_threads() <= before, 30)
    except AssertionError:
        raise AssertionError(f"threads left over:\n{_at_what(_our_threads() - before)}") from None


def _at_what(threads: Iterable[threading.Thread]) -> str:
    frames = sys._current_frames()
    stacks = [(each.name, traceback.format_stack(frames[each.ident])) for each in threads if each.ident in frames]
    return "\n".join(f"{name}\n{''.join(stack)}" for name, stack in stacks)
