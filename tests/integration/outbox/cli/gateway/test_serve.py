"""The command `outbox serve`, as its own process."""

from __future__ import annotations

import json
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from outbox import Outbox, remote
from outbox.archive import Archive
from tests.actors.consumer import read_topic
from tests.actors.order_service import MESSAGES, placed
from tests.integration.outbox.cli.shell import Shell
from tests.servers.proxy import Proxy
from tests.waiting import wait_until

SETTINGS = """
[kafka]
"bootstrap.servers" = "{kafka}"

[[outbox]]
mongo = "{mongo}"
database = "{database}"
create_topic = {{ partitions = 1, replication = 1 }}
"""


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


def test_one_process_archives_discards_and_relays_beside_it_and_is_reached_by_a_unix_socket(
    shell: Shell, orders: Outbox, mongo_uri: str, kafka: str, tmp_path: Path
) -> None:
    database = orders.collections.database
    settings = SETTINGS.format(kafka=kafka, mongo=mongo_uri, database=database.name)
    (tmp_path / "relay.toml").write_text(settings)
    orders.collections.imported.insert_one({"_id": "old", "at": datetime(2020, 1, 1, tzinfo=UTC)})
    parts = ["--archive", str(tmp_path / "archive"), "--discard", "--relay", str(tmp_path / "relay.toml")]
    process = shell.start("serve", "shop:orders", "--socket", "gateway.sock", *parts)
    place = address(process)
    with remote(place, messages=MESSAGES) as reached:
        id = reached.put(placed(7))
        wait_until(lambda: {"relay:kafka", "archive:main"} <= {each.id for each in orders.readers()})
        orders.wait_for(id, "relay:kafka", timeout=30)
        wait_until(lambda: not orders.collections.imported.find_one({"_id": "old"}))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 0, errors
    assert (place, (tmp_path / "gateway.sock").exists()) == (f"unix://{tmp_path}/gateway.sock", False)
    assert [each.value() for each in read_topic(kafka, f"{database.name}.outbox", bool)] == [
        b'{"order_id":"42","total":7}'
    ]
    assert [each.id for each in Archive(str(tmp_path / "archive")).read()] == [id]


def test_a_part_that_fails_ends_the_process_with_its_code(
    shell: Shell, orders: Outbox, mongo_uri: str, kafka: str, tmp_path: Path
) -> None:
    settings = SETTINGS.format(kafka=kafka, mongo=mongo_uri, database=orders.collections.database.name)
    (tmp_path / "relay.toml").write_text(settings.replace("create_topic", "# create_topic"))
    ended = shell.run("serve", "shop:orders", "--port", "0", "--relay", str(tmp_path / "relay.toml"))

    assert ended.returncode == 4, ended.stderr
    assert "relay: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_kafka_that_is_away_at_the_start_is_waited_for_while_it_serves(
    shell: Shell, orders: Outbox, mongo_uri: str, kafka: str, tmp_path: Path
) -> None:
    """Some 6 s: so long a broker has to answer."""
    with Proxy(int(kafka.rpartition(":")[2])) as proxy:
        proxy.cut()
        settings = SETTINGS.format(kafka=proxy.address, mongo=mongo_uri, database=orders.collections.database.name)
        (tmp_path / "relay.toml").write_text(settings)
        process = shell.start("serve", "shop:orders", "--port", "0", "--relay", str(tmp_path / "relay.toml"))
        place = address(process)
        with remote(place, messages=MESSAGES) as reached, httpx2.Client(base_url=place) as client:
            id = reached.put(placed(7))
            wait_until(lambda: "waits" in client.get("/readyz").json(), 30, "it to wait")
            ready = client.get("/readyz")
            proxy.restore()
            orders.wait_for(id, "relay:kafka", timeout=30)
            wait_until(lambda: client.get("/readyz").json() == {"status": "ok"})
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)

    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "waits": ["relay"]})
    assert process.returncode == 0, errors
    assert f"Kafka at {proxy.address} did not answer" in errors
