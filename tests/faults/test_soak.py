"""The soak's share in every run of the tests. For more: python -m tests.faults.soak --seconds 1800."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from outbox.errors import EmbeddedUnavailable
from tests.faults.soak import soak
from tests.servers.kafka_jars import KafkaUnavailable
from tests.servers.unavailable import unavailable

pytestmark = pytest.mark.heavy

SECONDS = 40
SEED = 2339  # has most of the faults in its first turns


@pytest.mark.timeout(400)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the owners of connections in /proc")
def test_random_faults_lose_nothing_and_keep_each_keys_order(tmp_path: Path) -> None:
    happened: list[str] = []
    try:
        account = soak(SECONDS, SEED, tmp_path, happened.append)
    except (KafkaUnavailable, EmbeddedUnavailable) as error:
        unavailable("servers of the test's own", error)

    assert account.is_good, "\n".join([*happened, *account.lines()])
    assert account.delivered > 500, "there was hardly any load"
