"""The page over HTTP: what it answers, to whom, and what it refuses."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from outbox import Outbox
from outbox.acts.log import ActLog
from relay.testing import MemorySink
from tests.actors.order_service import placed
from tests.actors.shown_relay import TOKEN, ShownRelay
from tests.integration.relay.monitoring.page.conftest import Letters
from tests.waiting import wait_until

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def shown(orders: Outbox) -> Iterator[ShownRelay]:
    """At rest; whoever has its token may act."""
    with ShownRelay(orders, at_work=False) as shown:
        yield shown


def body(**other: Any) -> dict[str, Any]:
    asked = {"what": "discard", "reader": "relay:kafka", "who": "ada", "reason": "a test's", "selection": {"all": True}}
    return {**asked, **other}


def act(shown: ShownRelay, asked: Any = None, **other: str | None) -> httpx.Response:
    """Asks for an act as the page does, but for what is given otherwise."""
    shell = shown.http.get("/")
    csrf = re.search('name="csrf" content="([0-9a-f]+)"', shell.text)
    assert csrf is not None
    headers = {
        "Authorization": f"Bearer {TOKEN}", "Origin": shown.url, "X-CSRF-Token": csrf[1],
        "Content-Type": "application/json",
        **{name.replace("_", "-"): value for name, value in other.items()},
    }  # fmt: skip
    given = {name: value for name, value in headers.items() if value is not None}
    return shown.http.post("/page/acts", content=json.dumps(body() if asked is None else asked), headers=given)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/page/static/page.js",
        "/page/history",
        "/page/records",
        "/page/acts",
        "/page/record?seq=x",
        "/page/static/x",
    ],
)
def test_every_answer_forbids_what_a_page_of_this_relay_alone_does_not_need(shown: ShownRelay, path: str) -> None:
    headers = shown.http.get(path).headers

    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_the_page_names_no_other_host_and_has_no_script_of_its_own(shown: ShownRelay) -> None:
    shell = shown.http.get("/").text

    assert "http" not in shell
    assert not re.findall(r"<script(?![^>]*src=)|\son\w+=|style=", shell)
    for name in re.findall('/page/static/([^"]+)', shell):
        assert shown.http.get(f"/page/static/{name}").status_code == 200, name


def test_names_that_people_gave_are_text_in_the_page(shown: ShownRelay) -> None:
    shown.watch.outboxes[HOSTILE] = next(iter(shown.watch.outboxes.values()))

    shell = shown.http.get("/").text

    assert HOSTILE not in shell
    assert "&lt;script&gt;" in shell


def test_no_file_beside_the_page_s_is_served(shown: ShownRelay) -> None:
    for name in ("../routes.py", "..%2froutes.py", "%2e%2e/guard.py", "page", "uPlot.LICENSE.txt"):
        assert shown.http.get(f"/page/static/{name}").status_code == 404, name


@pytest.mark.parametrize(
    ("other", "code", "error"),
    [
        ({"Authorization": None}, 401, "no_token"),
        ({"Authorization": "Bearer another"}, 401, "no_token"),
        ({"Origin": "http://evil.example"}, 403, "wrong_origin"),
        ({"Origin": None}, 403, "wrong_origin"),
        ({"X_CSRF_Token": None}, 403, "no_csrf_token"),
        ({"Host": "evil.example"}, 403, "wrong_host"),
    ],
)
def test_nothing_is_done_without_token_origin_and_csrf_token(
    shown: ShownRelay, orders: Outbox, put_aside: Letters, other: dict[str, str | None], code: int, error: str
) -> None:
    put_aside(1)

    refused = act(shown, **other)

    assert (refused.status_code, refused.json()["error"]) == (code, error)
    assert orders.collections.dead.count_documents({}) == 1
    assert ActLog(orders.collections).newest() == []


def test_without_a_page_token_the_page_only_shows(orders: Outbox, put_aside: Letters) -> None:
    put_aside(1)
    with ShownRelay(orders, at_work=False, token=None) as shown:
        refused = act(shown)
        assert 'name="can-act" content="no"' in shown.http.get("/").text

    assert (refused.status_code, refused.json()["error"]) == (403, "read_only")
    assert orders.collections.dead.count_documents({}) == 1


def test_with_all_of_them_it_is_done_and_written(shown: ShownRelay, orders: Outbox, put_aside: Letters) -> None:
    put_aside(2)

    done = act(shown)

    assert (done.status_code, done.json()) == (200, {"count": 2})
    [written] = shown.http.get("/page/acts").json()["acts"]
    assert (written["who"], written["what"], written["through"]) == ("ada", "discard", "page, from 127.0.0.1")


def test_what_was_asked_wrongly_is_refused_with_what_to_give(shown: ShownRelay) -> None:
    wrong = act(shown, body(what="drop"))
    no_json = act(shown, Content_Type="text/plain")
    large = act(shown, body(reason="x" * 300_000))

    assert (wrong.status_code, wrong.json()["detail"]) == (
        400, "what='drop': give one of requeue, discard, pause, resume",
    )  # fmt: skip
    assert (no_json.status_code, large.status_code) == (415, 413)
    for path in (
        "records?before=x",
        "record?id=7",
        "letters",
        "letters?reader=relay:kafka&state=x",
        "history?range=7d",
    ):
        assert shown.http.get(f"/page/{path}").status_code == 400, path
    assert shown.http.get("/page/history?outbox=no.such").status_code == 404


def test_on_another_address_messages_are_shown_to_those_who_have_the_token(orders: Outbox, put_aside: Letters) -> None:
    orders.put(placed(1, note="secret"), standalone=True)
    orders.sequence()
    [id] = put_aside(1, data={"note": "secret"})
    paths = ("/page/records", "/page/record?seq=1", f"/page/letter?reader=relay:kafka&id={id}")
    with ShownRelay(orders, at_work=False, host="0.0.0.0") as shown:
        hidden = [shown.http.get(path).text for path in paths]
        whole = [shown.http.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).text for path in paths]

    assert all("secret" not in text and '"hidden":true' in text for text in hidden)
    assert all("secret" in text for text in whole)


def test_the_stream_tells_what_is_seen_and_ends_with_the_relay(orders: Outbox) -> None:
    events: list[str] = []
    sink = MemorySink()

    def listen(url: str) -> None:
        with httpx.stream("GET", f"{url}/page/events", timeout=30, trust_env=False) as stream:
            events.extend(line for line in stream.iter_lines() if line.startswith("data:"))

    with ShownRelay(orders, sink) as shown:
        orders.put(placed(1), standalone=True)
        wait_until(lambda: sink.records, 20, "a delivery")
        thread = threading.Thread(target=listen, args=(shown.url,), daemon=True)
        thread.start()
        wait_until(lambda: shown.watch.told[0] > 1, 20, "two looks")
    thread.join(10)

    assert not thread.is_alive()
    [outbox] = json.loads(events[-1].removeprefix("data: "))["outboxes"]
    assert outbox["seen"]["head"] == 1
    assert [each["id"] for each in outbox["seen"]["readers"]] == ["relay:kafka"]


def test_who_leaves_watches_no_more(shown: ShownRelay) -> None:
    with httpx.stream("GET", f"{shown.url}/page/events", timeout=30, trust_env=False) as stream:
        lines = stream.iter_lines()  # what nobody holds is closed, and the stream with it
        next(line for line in lines if line.startswith("data:"))
        assert len(shown.watch._viewers) == 1

    wait_until(lambda: not shown.watch._viewers, 20, "the viewer to be gone")


def test_one_viewer_too_many_takes_the_place_of_the_first_who_is_told_so(
    shown: ShownRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.monitoring.page.watch.MOST_VIEWERS", 1)
    url = f"{shown.url}/page/events"
    with httpx.stream("GET", url, timeout=30, trust_env=False) as first:
        lines = first.iter_lines()
        next(line for line in lines if line.startswith("data:"))
        with httpx.stream("GET", url, timeout=30, trust_env=False) as second:
            assert [line for line in lines if line][-1] == 'data: "too many watch this page"'
            next(line for line in second.iter_lines() if line == "event: seen")
