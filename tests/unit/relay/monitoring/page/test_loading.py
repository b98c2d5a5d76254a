"""What is loaded for the page, and when."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, relay.cli.app, relay.relay, relay.kafka.sink
web = {"starlette", "uvicorn", "jinja2", "relay.monitoring.http", "relay.monitoring.page"}
print(sorted(web & sys.modules.keys()))
import relay.monitoring.http
print("jinja2" in sys.modules)
"""


def test_a_relay_that_does_not_listen_loads_none_of_it_and_one_that_does_loads_templates_when_it_is_asked() -> None:
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)

    assert said.stdout.splitlines() == ["[]", "False"]
