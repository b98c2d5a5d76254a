"""One connection of a consumer at a time, in whatever process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from outbox import Outbox
from outbox.archive import Archive
from outbox.gateway.limits import Limits
from tests.actors.archiving import run_once
from tests.actors.gateway import Served, gateway, totals
from tests.actors.order_service import MESSAGES
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def another(orders: Outbox) -> Iterator[Served]:
    """The same outbox, as another process would serve it."""
    with Outbox(orders.collections.database, messages=MESSAGES) as outbox, gateway(outbox) as served:
        yield served


@pytest.mark.usefixtures("impatient")
def test_a_second_poll_at_a_time_is_told_that_it_is_taken(served: Served, name: str) -> None:
    served.register(name)
    with served.polling(name, wait=10):
        answer = served.client.get(f"/v1/consumers/{name}/records")

        assert (answer.status_code, answer.json()["error"]) == (409, "taken")
        assert answer.headers["retry-after"] == "1"
        served.put(1)


def test_another_process_takes_over_when_the_first_is_done(served: Served, another: Served, name: str) -> None:
    served.register(name)
    last = served.put(1, 2)
    served.poll(name, after=last - 1)

    assert totals(another.poll(name)) == [2]


@pytest.mark.usefixtures("impatient")
def test_another_process_is_told_that_it_is_taken_while_the_first_works(
    served: Served, another: Served, name: str
) -> None:
    served.register(name)
    with served.polling(name, wait=20):
        assert another.client.get(f"/v1/consumers/{name}/records").status_code == 409
        served.put(1)


def test_no_more_consumers_than_the_limit_run_at_a_time(orders: Outbox, name: str) -> None:
    with gateway(orders, limits=Limits(consumers=1)) as small:
        small.register(name)
        with small.polling(name, wait=10):
            answer = small.client.put(f"/v1/consumers/{name}b")

            assert (answer.status_code, answer.json()["error"]) == (429, "too_many")
            small.put(1)


def test_of_several_that_register_it_at_once_one_is_the_first(served: Served, name: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: served.client.put(f"/v1/consumers/{name}").status_code, range(8)))

    assert sorted(answers) == [200] * 7 + [201]


def test_a_consumer_of_several_shares_is_refused(served: Served, name: str) -> None:
    cursors = served.orders.collections.cursors
    cursors.insert_one({"_id": f"consumer:anonymous.{name}", "shares": 2, "fence": 1})
    for share in (1, 2):
        id = f"consumer:anonymous.{name}/{share}"
        cursors.insert_one({"_id": id, "shares": 2, "seq": 0, "created": None, "id": None, "fence": 1})
    answer = served.client.get(f"/v1/consumers/{name}/records")

    assert (answer.status_code, answer.json()["error"]) == (409, "shared")
    cursors.delete_many({"_id": {"$regex": name}})


def test_a_gateway_that_ends_answers_waits_at_once_and_saves(orders: Outbox, name: str) -> None:
    with gateway(orders) as served:
        served.register(name)
        last = served.put(1)
        served.poll(name, after=last)
        with served.polling(name, wait=20):
            served.gateway.leave()

    assert orders.consumer(f"anonymous.{name}").position() == last


def test_a_reset_leaves_the_types_as_they_were(served: Served, name: str) -> None:
    served.register(name, types=["order.cancelled"])
    wait_until(lambda: served.gateway.components.running_ids == frozenset())
    served.orders.consumer(f"anonymous.{name}").reset("earliest")

    assert served.client.get(f"/v1/consumers/{name}").json()["types"] == ["order.cancelled"]


def test_with_an_archive_a_consumer_begins_with_what_that_has(orders: Outbox, name: str, tmp_path: Path) -> None:
    archive = Archive(str(tmp_path))
    with gateway(orders, archive=archive) as served:
        last = served.put(1)
        run_once(orders, archive)
        served.client.put(f"/v1/consumers/{name}", json={"start": "earliest"})
        answer = served.poll(name, limit=1000)

    assert [each["seq"] for each in answer["records"]] == list(range(1, last + 1))


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_was_refused_leaves_nothing_behind(served: Served, another: Served, name: str) -> None:
    served.register(name)
    with served.polling(name, wait=20):
        assert another.client.get(f"/v1/consumers/{name}/records").status_code == 409
        wait_until(lambda: not another.gateway.components.running_ids)
        served.put(1)
