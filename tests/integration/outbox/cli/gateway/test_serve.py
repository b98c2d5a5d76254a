"""The command `outbox serve`, as its own process."""

from __future__ import annotations

import json
import signal
import subprocess

import httpx2

from outbox import Outbox
from tests.actors.order_service import placed
from tests.integration.outbox.cli.shell import Shell


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "is served at" in line, process.communicate()
    return line.split()[-1]


def test_it_serves_until_it_is_told_to_end_and_tells_its_clients(shell: Shell, orders: Outbox) -> None:
    process = shell.start("serve", "shop:orders", "--port", "0")
    with httpx2.Client(base_url=address(process), timeout=30) as client:
        assert client.put("/v1/consumers/billing", json={}).status_code == 201
        orders.put(placed(1), standalone=True)
        assert len(client.get("/v1/consumers/billing/records?wait=10").json()["records"]) == 1
        assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 400
        with client.stream("GET", "/v1/consumers/billing/stream") as answer:
            lines = answer.iter_lines()
            next(lines)
            process.send_signal(signal.SIGTERM)
            last = [line for line in lines if line.startswith("data:")][-1]

    assert json.loads(last.removeprefix("data:"))["error"] == "closing"
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_an_address_of_others_is_refused_without_tokens(shell: Shell, orders: Outbox) -> None:
    refused = shell.run("serve", "shop:orders", "--host", "0.0.0.0")

    assert refused.returncode == 2
    assert "outbox token add" in refused.stderr


def test_with_tokens_beside_the_outbox_who_has_one_is_answered(shell: Shell, orders: Outbox) -> None:
    token = shell.run("token", "add", "web", "--app", "shop:orders").stdout.strip()
    process = shell.start("serve", "shop:orders", "--host", "0.0.0.0", "--port", "0")
    with httpx2.Client(base_url=address(process).replace("0.0.0.0", "127.0.0.1")) as client:
        path = "/v1/live/records"
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 200
