"""Schemathesis calls all that the OpenAPI document has, rightly and wrongly: no answer is one that it has not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outbox import Outbox
from outbox.gateway.http import consumers, messages
from outbox.gateway.limits import Limits
from tests.actors.gateway import Served, gateway

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "unsupported_method", "allow_header_conformance",
)  # fmt: skip
EXAMPLES = 15
"""Of each call, beside those that its bounds ask for."""


@pytest.fixture
def unbounded(orders: Outbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A gateway that waits for nothing for long, and does not count requests."""
    monkeypatch.setattr(consumers, "MOST_WAIT", 0.2)
    monkeypatch.setattr(messages, "MOST_WAIT", 0.2)
    monkeypatch.setattr(consumers, "MOST_LINGER_MS", 100)
    with gateway(orders, limits=Limits(requests_a_second=100_000)) as served:
        yield served


@pytest.mark.heavy
def test_no_call_is_answered_beside_the_document(unbounded: Served, tmp_path: Path) -> None:
    unbounded.put(1, 2)
    ran = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run", f"{unbounded.client.base_url}/openapi.json",
            "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES),
            "--seed", "1", "--exclude-path-regex", "stream$", "--request-timeout", "30", "--continue-on-failure",
            "--suppress-health-check", "all", "--warnings", "off", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stdout + ran.stderr
