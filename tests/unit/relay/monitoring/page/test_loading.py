"""What is loaded for the page, and when."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, relay.cli.run, relay.relay, relay.kafka.sink
web = {"starlette", "h11", "relay.monitoring.http", "relay.monitoring.page"}
print(sorted(web & sys.modules.keys()))
import relay.monitoring.http
print(sorted({"uvicorn", "click", "multiprocessing.context", "anyio._backends"} & sys.modules.keys()))
"""


def test_a_relay_that_does_not_listen_loads_none_of_it_and_one_that_does_loads_no_more_than_it_needs() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)

    assert said.stdout.splitlines() == ["[]", "[]"]
