"""curl, which is what people try first."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.actors.gateway import Served
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on the PATH")

CURL = ["curl", "--silent", "--show-error", "--fail", "--no-buffer", "--max-time", "30"]
JSON = ["--header", "Content-Type: application/json"]


def curl(served: Served, path: str, *options: str) -> str:
    command = [*CURL, *options, f"{served.client.base_url}{path}"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_it_registers_posts_polls_acknowledges_and_is_pushed_to(served: Served, name: str) -> None:
    consumer, message = f"/v1/consumers/{name}", {"type": "order.placed", "data": {"order_id": "42", "total": 7}}
    curl(served, consumer, "--request", "PUT", *JSON, "--data", '{"start": "latest"}')
    once = ["--header", "Idempotency-Key: a-key", *JSON, "--data", json.dumps(message)]
    first, again = (json.loads(curl(served, "/v1/messages?wait=10", *once)) for _ in range(2))
    polled = json.loads(curl(served, f"{consumer}/records?wait=10"))

    assert first == again
    assert [(each["id"], each["data"]) for each in polled["records"]] == [(first["id"], message["data"])]
    with subprocess.Popen([*CURL, f"{served.client.base_url}{consumer}/stream"], stdout=subprocess.PIPE) as pushed:
        assert pushed.stdout is not None
        assert next(line for line in pushed.stdout if line.startswith(b"id:")) == b"id: %d\n" % first["seq"]
        pushed.terminate()
    curl(served, f"{consumer}/ack", *JSON, "--data", json.dumps({"seq": first["seq"]}))
    wait_until(lambda: json.loads(curl(served, consumer))["position"] == first["seq"], 10, "it to be saved")
