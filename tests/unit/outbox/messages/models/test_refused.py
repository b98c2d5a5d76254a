"""What is said of types that have no BSON form; test_annotations.py has them at decoration."""

from __future__ import annotations

import ipaddress
from typing import Any, TypeVar

import pytest
from bson import Decimal128, Int64
from pydantic import ByteSize, SecretBytes

from outbox.messages.models.refused import instead

B = TypeVar("B", bound=bytes)


@pytest.mark.parametrize(
    ("annotation", "advice"),
    [
        (ipaddress.IPv6Network, "str, and convert it yourself"),
        (Decimal128, "Decimal"),
        (Int64, "int"),
        (bytearray, "bytes"),
        (SecretBytes, "str, if the secret may be stored"),
        (ByteSize, "int"),
        (B, "with [bytes]"),
        (object(), "one of the types that docs/pydantic.md lists"),
        (type("Mine", (), {}), "a BaseModel with these fields"),
    ],
)
def test_there_is_advice_for_each(annotation: Any, advice: str) -> None:
    assert advice in instead(annotation)
