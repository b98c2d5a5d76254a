"""Without OpenTelemetry in the program nothing is traced, and it is not imported."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import outbox
from outbox.tracing.tracing import handled, putting, sending

def handle(record): ...

with putting("shop.orders", 1, None) as headers:
    assert headers is None
assert handled(handle, "shop.orders", "billing") is handle
assert sending([(1, "topic", None, b"", [("traceparent", "00-" + "1" * 32 + "-" + "1" * 16 + "-01")])]) is None
assert not [name for name in sys.modules if name.startswith(("opentelemetry", "prometheus_client"))]
"""


def test_opentelemetry_is_not_imported_by_itself() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
