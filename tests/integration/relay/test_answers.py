"""What hosts answer that can never be used, and what may be waited for."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from relay.connection import connected
from relay.errors import InvalidSettings, Unreachable
from tests.servers.certificates import Certificates

pytestmark = pytest.mark.usefixtures("quick")


class Stranger:
    """A server of another protocol on a port of its own, or with `certificate` one that speaks TLS."""

    def __init__(self, says: bytes, certificate: Path | None = None) -> None:
        self._says = says
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:  # closed
                return
            try:
                with closing(
                    plain if self._context is None else self._context.wrap_socket(plain, server_side=True)
                ) as one:
                    one.recv(4096)
                    one.sendall(self._says)
            except OSError:  # the client has had enough
                plain.close()

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def web() -> Iterator[Stranger]:
    with closing(Stranger(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) as server:
        yield server


def refusal(uri: str) -> str:
    with pytest.raises(InvalidSettings) as refused:
        connected(uri)
    return str(refused.value)


def test_another_replica_set_is_told_by_its_name(mongo_uri: str) -> None:
    uri = mongo_uri.replace("replicaSet=rs0", "replicaSet=rs1")
    if uri == mongo_uri:
        pytest.skip("the server's address names no replica set")

    assert refusal(uri).endswith(" belongs to the replica set 'rs0', and replicaSet= in the address names another")


def test_a_server_of_another_protocol_is_no_mongodb(web: Stranger) -> None:
    assert (
        refusal(f"mongodb://{web.address}/") == f"--mongo: {web.address} is no MongoDB: it answers in another protocol"
    )


def test_a_server_without_tls_is_told(web: Stranger) -> None:
    assert refusal(f"mongodb://{web.address}/?tls=true") == f"--mongo: {web.address} does not speak TLS"


def test_a_certificate_of_another_authority_is_told(tmp_path: Path) -> None:
    for name in ("theirs", "ours"):
        (tmp_path / name).mkdir()
    theirs, ours = Certificates(tmp_path / "theirs"), Certificates(tmp_path / "ours")
    with closing(Stranger(b"", theirs.server)) as server:
        assert "has a certificate that is not trusted" in refusal(
            f"mongodb://{server.address}/?tls=true&tlsCAFile={ours.ca}"
        )


def test_one_host_that_may_come_back_is_waited_for(web: Stranger) -> None:
    with pytest.raises(Unreachable):
        connected(f"mongodb://{web.address},127.0.0.1:1/?replicaSet=rs0")
