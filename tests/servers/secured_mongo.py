"""A mongod as in production: TLS only, and nobody does anything without a user."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from pymongo import MongoClient

from outbox.embedded.mongo import REPLICA_SET, EmbeddedMongo
from tests.servers.certificates import CLIENT_SUBJECT, Certificates
from tests.waiting import wait_until

Document = dict[str, Any]

ROOT_PASSWORD = "of/the@root"  # of a server that lives as long as a test


class SecuredMongo:
    """A one-node replica set with `--auth`, that speaks only TLS. Made by `secured_mongo`."""

    def __init__(self, address: str, certificates: Certificates) -> None:
        self.address = address
        self.certificates = certificates

    def uri(self, user: str, password: str, *, source: str = "admin") -> str:
        """For a user with a password, in the database `source`."""
        return (
            f"mongodb://{quote_plus(user)}:{quote_plus(password)}@{self.address}/?replicaSet={REPLICA_SET}"
            f"&authSource={source}&{self.tls}"
        )

    @property
    def x509_uri(self) -> str:
        """For the user of the client certificate."""
        file = quote_plus(str(self.certificates.client))
        return (
            f"mongodb://{self.address}/?replicaSet={REPLICA_SET}&{self.tls}"
            f"&authMechanism=MONGODB-X509&tlsCertificateKeyFile={file}"
        )

    @property
    def tls(self) -> str:
        return f"tls=true&tlsCAFile={quote_plus(str(self.certificates.ca))}"

    @contextlib.contextmanager
    def root(self) -> Iterator[MongoClient[Document]]:
        with MongoClient[Document](self.uri("root", ROOT_PASSWORD)) as client:
            yield client


@contextlib.contextmanager
def secured_mongo(folder: Path) -> Iterator[SecuredMongo]:
    """Raises EmbeddedUnavailable, and FileNotFoundError without `openssl`."""
    certificates = Certificates(folder)
    key = folder / "members.key"
    key.write_text("AKeyThatTheMembersOfTheSetShare1")
    key.chmod(0o600)
    arguments = [
        *("--auth", "--keyFile", str(key), "--tlsMode", "requireTLS", "--tlsAllowConnectionsWithoutCertificates"),
        *("--tlsCertificateKeyFile", str(certificates.server), "--tlsCAFile", str(certificates.ca)),
    ]
    server = EmbeddedMongo(folder / "data", arguments=arguments)
    server.launch()
    try:
        mongo = SecuredMongo(server.address, certificates)
        _set_up(mongo)
        yield mongo
    finally:
        server.kill()


def _set_up(mongo: SecuredMongo) -> None:
    """The set and its first users, by the exception that the server makes for them on its own machine."""
    with MongoClient[Document](f"mongodb://{mongo.address}/?directConnection=true&{mongo.tls}") as client:
        members = [{"_id": 0, "host": mongo.address}]
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
        wait_until(lambda: client.admin.command("hello").get("isWritablePrimary"), 60, "a primary")
        client.admin.command("createUser", "root", pwd=ROOT_PASSWORD, roles=["root"])
    with mongo.root() as client:
        client["$external"].command("createUser", CLIENT_SUBJECT, roles=[])
