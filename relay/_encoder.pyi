from relay.encoding import Mark
from relay.sink import Outgoing

def encode(
    raw: bytes, skip: int, topics: dict[str, tuple[str, tuple[str, str]]], /
) -> tuple[list[Outgoing], list[Mark]] | None:
    """What Encoder.encode makes of the records of a batch document, but for the `skip` first; None if it is not plain.

    Plain is what needs no decision: types of known topic, and values of BSON that JSON has. Anything else, malformed
    bytes included, is left to the decoding path, which either encodes it or says what is wrong. Pure; thread-safe as
    long as nobody changes `topics` meanwhile. Raises MemoryError.
    """
