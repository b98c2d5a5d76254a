from typing import Any

from outbox.messages.writing.layout import DocumentLayout

def write(layout: DocumentLayout, values: dict[str, Any], /) -> bytes | None:
    """The data of a message as BSON, from the values of its attributes; None if one of them is not plain.

    Raises what the functions of the layout raise, UnicodeEncodeError and MemoryError. Thread-safe.
    """
