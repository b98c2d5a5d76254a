from outbox.delivery.ports import Outgoing
from outbox.log.position import Mark
from outbox.shares.share import Share

def encode(
    raw: bytes,
    skip: int,
    topics: dict[str, tuple[str, tuple[str, str], int]],
    log: tuple[str, str],
    share: Share | None = None,
    /,
) -> tuple[list[Outgoing], list[Mark]] | None:
    """What Encoder.encode makes of the records of a batch document, but for the `skip` first; None if it is not plain.

    topics: for each type its topic, the header that says the type, and relay.encoding.values.Form.number.
    log: the header that says which log they are of.
    share: only the records that it takes (None: all). Of others no more is looked at than that decides. The mark of the
    last record is there in any case.

    Plain is what needs no decision: types of known topic, and values of BSON that JSON has, or that the driver would
    write as they are. Anything else, malformed bytes included, is left to the decoding path, which either encodes it or
    says what is wrong. Pure; thread-safe as
    long as nobody changes `topics` meanwhile. Raises MemoryError.
    """
