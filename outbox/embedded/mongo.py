"""A MongoDB of one's own for demos and tests: the mongod of a Python wheel, as a one-node replica set."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import socket
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from outbox.embedded.binary import explain, find_mongod
from outbox.embedded.child_process import ChildProcess
from outbox.errors import EmbeddedUnavailable

REPLICA_SET = "rs0"
START_SECONDS = 60.0
POLL_SECONDS = 0.02
ADDRESS_IN_USE = 48  # mongod's exit code
NOT_YET_INITIALIZED = 94


class EmbeddedMongo:
    """A mongod on a free loopback port, as a one-node replica set; it dies with this process.

        with EmbeddedMongo() as mongo:
            client = MongoClient(mongo.uri)

    Data live in `path` and stay there (a second start finds them again); without `path` they live in a temporary
    folder which goes at `stop()`. `port` 0 takes a free one. `cache_gb` bounds WiredTiger's cache (0.25 or more).
    `arguments` are given to mongod as they are. Use it from one thread at a time.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        port: int = 0,
        cache_gb: float = 0.25,
        arguments: Sequence[str] = (),
    ) -> None:
        self.port = port
        self.path = path
        self._cache_gb = cache_gb
        self._arguments = arguments
        self._temporary: Path | None = None
        self._child: ChildProcess | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def uri(self) -> str:
        """What a MongoClient takes, once started."""
        return f"mongodb://{self.address}/?replicaSet={REPLICA_SET}"

    @property
    def pid(self) -> int:
        """Of the running mongod. Raises EmbeddedUnavailable when none runs."""
        if self._child is None:
            raise EmbeddedUnavailable("the embedded MongoDB is not running: start() it first")
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """How mongod ended, if it ended by itself; negative: by that signal."""
        return None if self._child is None else self._child.exit_code

    def start(self) -> None:
        """Returns when it takes writes, at the first start after 1–2 s. Raises EmbeddedUnavailable."""
        self.launch()
        try:
            with self.connect() as client:
                _initiate(client, self.address)
                _await_primary(client)
        except PyMongoError as error:
            self.kill()
            raise EmbeddedUnavailable(f"the embedded MongoDB on {self.address} did not start: {error}") from error
        except BaseException:
            self.kill()
            raise

    def launch(self) -> None:
        """Starts the process alone and waits until it listens; the replica set is left as it is."""
        if self._child is not None:
            raise EmbeddedUnavailable(f"the embedded MongoDB already runs on {self.address}: stop() it first")
        mongod = find_mongod()
        if self.path is None:
            self._temporary = self.path = Path(tempfile.mkdtemp(prefix="outbox-mongod-"))
        self.path.mkdir(parents=True, exist_ok=True)
        given = self.port
        try:
            for _ in range(5):
                if given == 0:
                    self.port = _free_port()
                if self._try_to_launch(mongod):
                    return
                if given != 0:
                    break
            raise EmbeddedUnavailable(f"port {self.port} of 127.0.0.1 is in use: choose another, or 0 for a free one")
        except BaseException:
            self.kill()
            raise

    def connect(self, seconds: float = START_SECONDS) -> pymongo.MongoClient[dict[str, Any]]:
        """A client for this very process, whatever its replica set thinks; `seconds` bounds each of its calls."""
        return pymongo.MongoClient("127.0.0.1", self.port, directConnection=True, timeoutMS=int(seconds * 1000))

    def stop(self) -> None:
        """Ends it, cleanly when its data stay. Nothing happens when it does not run."""
        if self._child is not None and self._temporary is None:
            self._child.stop()
        self.kill()

    def kill(self) -> None:
        """Ends it as a power cut would (SIGKILL)."""
        if self._child is not None:
            self._child.kill()
            self._child = None
        self._remove_temporary()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _remove_temporary(self) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = self.path = None

    def _try_to_launch(self, mongod: Path) -> bool:
        """False: somebody else has the port."""
        assert self.path is not None
        log = self.path / "mongod.log"
        log.unlink(missing_ok=True)
        command: list[str | Path] = [
            mongod, "--replSet", REPLICA_SET, "--bind_ip", "127.0.0.1", "--port", str(self.port),
            "--dbpath", self.path, "--wiredTigerCacheSizeGB", str(self._cache_gb),
            "--setParameter", "diagnosticDataCollectionEnabled=false",
        ]  # fmt: skip
        if os.name == "posix":
            command.append("--nounixsocket")  # a killed one would leave its socket in /tmp
        try:
            self._child = child = ChildProcess([*command, *self._arguments], log=log, scratch=self._temporary)
        except OSError as error:
            if error.errno in (errno.ENOEXEC, errno.ENOENT):  # ENOENT: the file is there, its loader is not (musl)
                raise EmbeddedUnavailable(
                    f"{mongod} is not made for this system ({platform.system()} on {platform.machine()}; "
                    "it needs glibc 2.34, so Alpine Linux will not do): use a MongoDB of your own"
                ) from error
            raise
        deadline = time.monotonic() + START_SECONDS
        # By its own word, not by a try to connect: another process may have taken the port, and would answer.
        while child.exit_code is None:
            if "Waiting for connections" in log.read_text(errors="replace"):
                return True
            if time.monotonic() > deadline:
                raise EmbeddedUnavailable(
                    f"mongod did not listen on {self.address} in {START_SECONDS:.0f} s: {_tail(log)}"
                )
            time.sleep(POLL_SECONDS)  # noqa: TID251  # a file cannot be waited for
        self._child = None
        if child.exit_code == ADDRESS_IN_USE:
            return False
        output = log.read_text(errors="replace")
        why = explain(output)
        raise EmbeddedUnavailable(
            f"mongod ended with exit code {child.exit_code}: {_tail(log)}"
            if why is None
            else f"the embedded MongoDB cannot run here: {why}"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _initiate(client: pymongo.MongoClient[dict[str, Any]], address: str) -> None:
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != NOT_YET_INITIALIZED:
            raise
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [{"_id": 0, "host": address}]})
        return
    if config["members"][0]["host"] != address:  # the same data on another port: it would not find itself
        config["members"][0]["host"] = address
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)


def _await_primary(client: pymongo.MongoClient[dict[str, Any]]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not client.admin.command("hello").get("isWritablePrimary"):
        if time.monotonic() > deadline:
            raise EmbeddedUnavailable(f"the embedded MongoDB did not become primary in {START_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)  # noqa: TID251  # nor can an election


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])
