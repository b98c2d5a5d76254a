"""The ledger: what writers committed and aborted, against what the log holds and what Kafka got."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from bson import ObjectId
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from outbox import Outbox
from outbox.log import batch
from outbox.log.log import Log
from outbox.mongo.collections import Collections
from outbox.staging import document as staging
from tests.acceptance.process import Process
from tests.acceptance.processes.entry import TYPE, Entry

COPIES = "copies"


class Written(NamedTuple):
    """What writers said of themselves."""

    committed: dict[str, tuple[str, int]]
    """Message id to the entry's account and number."""
    aborted: set[str]


class Seen(NamedTuple):
    """One record, as the log or Kafka has it."""

    id: str
    account: str
    number: int
    seq: int


class Ledger:
    """The accounts of one database, its outbox and the faults that can be found in them."""

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self.database = database
        self.collections = Collections(database, "outbox")

    def create_copies(self) -> None:
        """Makes the outbox into which a consumer puts the messages once more."""
        Outbox(self.database, COPIES, messages=[Entry]).create()

    def create(self, accounts: int = 100, **settings: Any) -> None:
        """Makes the outbox and the empty accounts."""
        Outbox(self.database, messages=[Entry], **settings).create()
        self.database.accounts.insert_many({"_id": f"account-{index}", "entries": 0} for index in range(accounts))

    def fill(self, padding: str, records: int, fence: int = 0) -> None:
        """Appends entries of one account straight to the log, as the sequencer of `fence` would, only faster."""
        first = self.head() + 1
        data = {"account": "account-0", "number": 0, "padding": padding}
        rest = staging.parse(staging.encode(ObjectId(), 0, TYPE, "account-0", {}, data)).rest
        for start in range(first, first + records, batch.MAX_RECORDS):
            count = min(batch.MAX_RECORDS, first + records - start)
            packed = [batch.record(ObjectId().binary, 0, rest) for _ in range(count)]
            self.collections.log.insert_one(RawBSONDocument(batch.pack(start, fence, start, packed)))

    def written(self, writers: Iterable[Process]) -> Written:
        """What the writers reported; and every commit is in the accounts, whatever they reported."""
        committed, aborted = {}, set()
        for line in (line for writer in writers for line in writer.said().splitlines()):
            match line.split():
                case ["committed", account, number, id]:
                    committed[id] = (account, int(number))
                case ["aborted", id]:
                    aborted.add(id)
        entries = sum(account["entries"] for account in self.database.accounts.find())
        assert len(committed) == entries, f"the accounts have {entries} entries, the writers know of {len(committed)}"
        return Written(committed, aborted)

    def batches(self) -> list[dict[str, Any]]:
        """The log's documents, in the order the server keeps them in."""
        return list(self.collections.log.find({"_id": {"$ne": 0}}, sort=[("$natural", 1)]))

    def log(self) -> list[Seen]:
        """Every record of the log, in the order the server keeps them in."""
        return [
            _seen(str(record["id"]), record["data"], seq)
            for batch in self.batches()
            for seq, record in enumerate(batch["records"], batch["_id"])
        ]

    def effects(self, name: str = "ledger") -> list[Seen]:
        """What the handlers of a consumer of consume.py have done, in the order of their calls."""
        done = self.database[f"effects-{name}"].find(sort=[("at", 1)])
        return [Seen(each["id"], each["account"], each["number"], each["seq"]) for each in done]

    def head(self) -> int:
        """The newest seq."""
        return Log(self.collections).head()

    def oldest(self) -> int:
        """The oldest seq the log holds."""
        return Log(self.collections).earliest()

    def staged(self) -> int:
        """How many messages wait to be numbered."""
        return self.collections.staging.count_documents({})

    def faults(self, written: Written, kafka: Sequence[Seen] | None = None) -> list[str]:
        """Everything that is wrong; [] is what every test wants. Without `kafka` only the log is looked at."""
        log = self.log()
        found = log_faults(log) + content_faults("the log", log, written)
        if staged := self.staged():
            found.append(f"staging holds {staged} messages still")
        if kafka is not None:
            found += content_faults("Kafka", kafka, written)
        return found

    def done(self, name: str = "ledger") -> int:
        """How many effects a consumer of consume.py has had."""
        return self.database[f"effects-{name}"].count_documents({})

    def faults_of_effects(self, written: Written, name: str = "ledger") -> list[str]:
        """What is wrong with what the handlers of a consumer have done."""
        return content_faults(f"the effects of {name}", self.effects(name), written)

    def faults_of_copies(self, written: Written) -> list[str]:
        """What is wrong with the outbox into which consume.py has put the messages once more: it has each once."""
        copies = Outbox(self.database, COPIES, messages=[Entry])
        copies.sequence()
        seen = [
            Seen(record.headers["origin"], record.data["account"], record.data["number"], record.seq)
            for record in copies.read()
        ]
        return log_faults(seen) + content_faults("the copies", seen, written)


def log_faults(log: Sequence[Seen]) -> list[str]:
    """A gapless log has each number once, in the order of their appending; and no message has two."""
    seqs = [record.seq for record in log]
    breaks = [(one, other) for one, other in pairwise(seqs) if other != one + 1]
    found = [f"the log goes from {one} to {other}" for one, other in breaks[:5]]
    twice = [id for id, count in Counter(record.id for record in log).items() if count > 1]
    return found + ([f"{len(twice)} message(s) are in the log twice, such as {twice[0]}"] if twice else [])


def content_faults(where: str, seen: Sequence[Seen], written: Written) -> list[str]:
    """Every committed message is there, nothing else is, and the first appearances keep each account's order."""
    ids = {record.id for record in seen}
    missing, aborted = written.committed.keys() - ids, written.aborted & ids
    unknown = ids - written.committed.keys() - aborted
    found = [
        f"{where}: {len(those)} messages {what}, such as {min(those)}"
        for those, what in ((missing, "are missing"), (aborted, "were aborted"), (unknown, "were never committed"))
        if those
    ]
    first = {record.id: record for record in reversed(seen)}
    found += [
        f"{where}: {id} is entry {first[id].number} of {first[id].account}, not {entry}"
        for id, entry in written.committed.items()
        if id in first and (first[id].account, first[id].number) != entry
    ][:5]
    return found + disorder(where, seen)


def disorder(where: str, seen: Sequence[Seen]) -> list[str]:
    """Where an account's entries did not first appear as 1, 2, 3 …"""
    appeared: defaultdict[str, int] = defaultdict(int)
    ids: set[str] = set()
    found = []
    for record in seen:
        if record.id in ids:
            continue
        ids.add(record.id)
        if record.number != appeared[record.account] + 1:
            found.append(f"{where}: {record.account} has {record.number} after {appeared[record.account]}")
        appeared[record.account] = max(appeared[record.account], record.number)
    return found


def duplicates(seen: Sequence[Seen]) -> int:
    """How many records repeat one before them."""
    return len(seen) - len({record.id for record in seen})


def _seen(id: str, data: dict[str, Any], seq: int) -> Seen:
    return Seen(id, data["account"], data["number"], seq)
