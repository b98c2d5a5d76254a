from outbox.archive.line import Line
from outbox.log.batch import Head

def write(heads: list[Head], documents: list[bytes], /) -> list[Line | None]:
    """What outbox.archive.line.lines makes of each record; None of one that is not plain, which Python is to write.

    Plain are the usual fields in the usual order, with values that a driver wrote. Pure; thread-safe as long as nobody
    changes the lists meanwhile. Raises TypeError and ValueError for heads that are none, and MemoryError.
    """
