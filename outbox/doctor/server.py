"""What the doctor looks for on the server: what it is, how it confirms writes, how far back it remembers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from outbox.doctor.finding import Check, Finding
from outbox.mongo.calls import time_limit
from outbox.mongo.codec import DECODED, Document
from outbox.mongo.collections import Collections
from outbox.mongo.server import check_server, unconfirmed_seconds
from outbox.monitoring.units import format_duration

OPLOG_SECONDS = 24 * 3600.0
SKEW_SECONDS = 2.0
_GROWS_CAPS = 6
FULL_SHARE = 0.5
"""An oplog that fills less of its size is young, and will remember more."""


class ServerExamination:
    """Looks at the server of an outbox. It changes nothing."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._client = collections.client

    def checks(self) -> dict[str, Check]:
        """The checks, by name."""
        return {
            "server": self.version,
            "topology": self.topology,
            "majority": self.majority,
            "write concern": self.write_concern,
            "oplog": self.oplog,
            "clock": self.clock,
        }

    def _command(self, name: str) -> Document:
        with time_limit():
            answer: Document = self._client.admin.command(name, codec_options=DECODED)
            return answer

    def version(self) -> Iterator[Finding]:
        """Raises UnsupportedServer for one that cannot hold an outbox."""
        check_server(self._collections)
        version = str(self._command("buildInfo")["version"])
        if int(version.split(".", maxsplit=1)[0]) < _GROWS_CAPS:
            yield Finding(
                "server",
                f"MongoDB is {version}",
                "a log cannot grow before 6.0",
                "upgrade, before the log is too small",
            )

    def topology(self) -> Iterator[Finding]:
        """One node has no other to go on; with an arbiter, one lost node takes the majority's confirmation with it."""
        hello = self._command("hello")
        nodes = [*hello.get("hosts", ()), *hello.get("passives", ())]
        if len(nodes) == 1:
            yield Finding(
                "topology", "the replica set has one node", "while it is away nothing is put, and its disk holds all",
                "add two more: rs.add('host:27017')",
            )  # fmt: skip
        elif hello.get("arbiters"):
            yield Finding(
                "topology", f"the replica set has an arbiter beside {len(nodes)} nodes with data",
                "with one of these away no write is confirmed by a majority, and nothing is numbered",
                "replace the arbiter by a node with data: rs.remove(…), rs.add(…)",
            )  # fmt: skip

    def majority(self) -> Iterator[Finding]:
        """Whether a majority of the nodes confirms what is written."""
        seconds = unconfirmed_seconds(self._client)
        if seconds:
            yield Finding(
                "majority", f"no majority of the nodes has confirmed anything for {format_duration(seconds)}",
                "nothing is numbered nor delivered, and no lease can be held",
                "rs.status() says which node is away, or far behind: bring it back", serious=True,
            )  # fmt: skip

    def write_concern(self) -> Iterator[Finding]:
        """What services commit with: the outbox's own writes are always confirmed by a majority."""
        own: Any = self._client.write_concern.document.get("w")
        if own is None:
            own = self._command("getDefaultRWConcern").get("defaultWriteConcern", {}).get("w", "majority")
            where, mend = (
                "the server's default",
                "db.adminCommand({setDefaultRWConcern: 1, defaultWriteConcern: {w: 'majority'}})",
            )
        else:
            where, mend = "this client's", "take `w` out of the address, or give w=majority"
        if own in (0, 1):
            yield Finding(
                "write concern", f"{where} write concern is w: {own}",
                "an election may take back what a service has committed, its messages too", mend, serious=own == 0,
            )  # fmt: skip

    def oplog(self) -> Iterator[Finding]:
        """How long a node may be away and still catch up."""
        oplog = self._client.local["oplog.rs"]
        with time_limit():
            ends = [oplog.find_one({}, {"ts": 1}, sort=[("$natural", order)]) for order in (1, -1)]
        first, last = (None if each is None else each["ts"].time for each in ends)
        if first is None or last is None or last - first >= OPLOG_SECONDS:
            return
        size = self._client.local.command("collStats", "oplog.rs")
        if size["size"] < FULL_SHARE * size.get("maxSize", 0):
            return
        yield Finding(
            "oplog", f"the oplog goes back {format_duration(last - first)}",
            "a node that is away for longer must copy everything anew, and until then a majority may be missing",
            "db.adminCommand({replSetResizeOplog: 1, size: 51200}) // MB, on each node",
        )  # fmt: skip

    def clock(self) -> Iterator[Finding]:
        """The server's clock beside this machine's. Nothing is lost by it: only what is shown is wrong."""
        began = time.time()
        server = self._command("hello")["localTime"].timestamp()
        ended = time.time()
        skew = max(began - server, server - ended, 0.0)
        if skew >= SKEW_SECONDS:
            yield Finding(
                "clock", f"this machine's clock and the server's are {format_duration(skew)} apart",
                "dates of messages, starts by date and the seconds of a delivery are wrong by that; order is not",
                "set both by NTP: timedatectl set-ntp true",
            )  # fmt: skip
