"""The page in a real browser, Debian's chromium, which reaches nothing but the relay.

OUTBOX_TEST_PICTURES=docs/pictures writes the pictures of the docs there.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from outbox import Outbox
from outbox.acts.log import ActLog
from tests.actors.busy_page import HOSTILE, an_hour, fill
from tests.actors.order_service import new_outbox
from tests.actors.shown_relay import TOKEN, ShownRelay

sync_api = pytest.importorskip("playwright.sync_api")
axe_core = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = os.environ.get("OUTBOX_TEST_PICTURES")
LETTERS, READERS = 100_000, 50
VIEWS = {"light": (1360, 900), "dark": (1360, 900), "narrow": (390, 844)}
TABS = ("readers", "records", "letters", "leases", "acts")

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(CHROMIUM is None, reason="NOT TESTED: the page in a browser; install chromium"),
]


class Window:
    """A window of the browser on the page of a relay. What goes wrong in it is kept, and looked at in the end."""

    def __init__(self, browser: Any, shown: ShownRelay, view: str = "light") -> None:
        width, height = VIEWS[view]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce",
            color_scheme="dark" if view == "dark" else "light", timezone_id="UTC",
        )  # fmt: skip
        self.troubles: list[str] = []
        self.page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.troubles.append(f"alert: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self._on_request(request.url, shown.url))
        self.page.goto(shown.url)
        self.page.wait_for_selector("#live[data-state=live]")
        self.page.wait_for_selector("#readers table tbody tr")

    def _on_console(self, message: Any) -> None:
        if message.type in ("error", "warning") and "status of 4" not in message.text:  # a refusal that a test asks for
            self.troubles.append(f"{message.type}: {message.text}")

    def _on_request(self, url: str, own: str) -> None:
        if not url.startswith((own, "data:", "blob:")):
            self.troubles.append(f"asks another host: {url}")

    def open(self, tab: str) -> Any:
        """Opens a tab, and returns its panel."""
        self.page.click(f"#tab-{tab}")
        return self.page.locator(f"#{tab}")

    def act(self, reason: str, token: str | None = TOKEN) -> None:
        """Fills in the open dialog, and sends it."""
        form = self.page.locator("#act-form")
        form.locator("[name=who]").fill("ada")
        form.locator("[name=reason]").fill(reason)
        if token is not None:
            form.locator("[name=token]").fill(token)
        form.locator("#act-do").click()

    def close(self) -> None:
        self.context.close()
        assert self.troubles == []


@pytest.fixture(autouse=True)
def no_thread_is_left() -> None:
    """Threads of the relay that all of these tests look at come and go."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            # No name is found but this machine's, and root may run it.
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def orders(mongo: MongoClient[dict[str, Any]]) -> Iterator[Outbox]:
    """With 50 readers and 100,000 letters."""
    database = mongo[f"test_{uuid.uuid4().hex}"]
    with new_outbox(database, capacity="64 MiB", sequence=False) as orders:
        fill(orders, readers=READERS - 1, letters=LETTERS)
        yield orders
    mongo.drop_database(database)


@pytest.fixture(scope="module")
def shown(orders: Outbox) -> Iterator[ShownRelay]:
    with ShownRelay(orders) as shown:
        yield shown


@pytest.fixture
def window(browser: Any, shown: ShownRelay) -> Iterator[Window]:
    window = Window(browser, shown)
    yield window
    window.close()


def test_fifty_readers_and_a_hundred_thousand_letters_are_shown_some_at_a_time(window: Window) -> None:
    page = window.page
    assert page.locator("#readers tbody tr").count() == READERS
    assert page.locator("#letters-count").inner_text() == "(100,000)"

    letters = window.open("letters")
    page.wait_for_selector("text=1 to 100 of 100,000")
    for turned in ("101 to 200", "201 to 300"):
        letters.locator("text=Earlier").click()
        page.wait_for_selector(f"text={turned} of 100,000")

    assert letters.locator("tbody tr").count() == 100
    letters.locator("[name=key]").fill("3005")
    letters.locator("text=Show").click()
    page.wait_for_selector("text=/1 to 100 of 9\\d\\d,/")
    assert set(letters.locator("tbody td[data-of=key]").all_inner_texts()) == {"3005"}


def test_what_is_in_messages_is_shown_as_text_and_does_nothing(window: Window) -> None:
    page = window.page
    records = window.open("records")
    records.locator("[name=key]").fill(HOSTILE)
    records.locator("text=Search").first.click()
    page.wait_for_selector("#records-found td[data-of=key]")

    assert records.locator("td[data-of=key]").all_inner_texts() == [HOSTILE]
    records.locator("button.link").first.click()
    assert HOSTILE in page.locator("#detail pre[aria-label=data]").inner_text().replace('\\"', '"')
    page.keyboard.press("Escape")
    letters = window.open("letters")
    letters.locator("[name=key]").fill(f"{HOSTILE} again")
    letters.locator("text=Show").click()
    page.wait_for_selector("#letters-found td[data-of=key]:has-text('again')")
    page.wait_for_selector("text=1 to 100 of 10,000")
    assert HOSTILE in letters.locator("td[data-of=reason]").first.inner_text()
    assert page.locator("main img, main script, dialog img, dialog script").count() == 0


def test_letters_are_discarded_with_the_token_and_a_reason_and_that_is_shown(window: Window, orders: Outbox) -> None:
    page = window.page
    letters = window.open("letters")
    letters.locator("[name=state]").select_option("parked")
    letters.locator("text=Show").click()
    page.wait_for_selector("#letters-found td:has-text('parked')")
    for box in letters.locator("tbody input[type=checkbox]").all()[:2]:
        box.check()
    before = orders.collections.dead.count_documents({})
    page.click("text=Discard 2 selected")

    window.act("a test's", token="not-the-token-at-all")
    page.wait_for_selector("#act-said:has-text('need the page')")
    assert orders.collections.dead.count_documents({}) == before
    window.act("a test's")
    page.wait_for_selector("#letters-said:has-text('2 message(s) discarded')")

    assert orders.collections.dead.count_documents({}) == before - 2
    acts = window.open("acts")
    page.wait_for_selector("#acts td:has-text('discard')")
    assert acts.locator("tbody tr").first.inner_text().split("\t")[1:4] == ["ada", "discard", "relay:kafka"]


def test_a_reader_is_paused_and_resumed(window: Window, orders: Outbox) -> None:
    page = window.page
    page.click("button[aria-label='pause consumer:mail']")
    window.act("the mail server moves")
    page.wait_for_selector("#readers tr:has-text('consumer:mail') >> text=paused")
    page.click("button[aria-label='resume consumer:mail']")
    window.act("it has moved", token=None)  # the page remembers it
    page.wait_for_selector("button[aria-label='pause consumer:mail']")

    assert [act["what"] for act in ActLog(orders.collections).newest(2)] == ["resume", "pause"]


def test_it_is_used_by_keyboard_alone(window: Window) -> None:
    page = window.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.focus("#tab-readers")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-records"
    page.keyboard.press("End")
    assert page.locator("#acts").is_visible()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert page.locator("[role=tab][aria-selected=true]").get_attribute("id") == "tab-acts"
    page.focus("input[value='15m']")
    page.keyboard.press("ArrowRight")
    assert page.locator("input[value='1h']").is_checked()
    page.keyboard.press("Home")
    page.focus("#tab-acts")
    page.keyboard.press("Home")
    page.focus("button[aria-label='pause consumer:billing']")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.name") == "who"
    page.keyboard.press("Escape")
    assert not page.locator("#act").is_visible()


def test_who_wants_no_motion_gets_none(window: Window) -> None:
    assert window.page.evaluate("getComputedStyle(document.querySelector('button')).transitionDuration") == "0s"
    assert window.page.evaluate("document.getAnimations().length") == 0


def test_kafka_that_is_away_is_said_within_ten_seconds(window: Window, shown: ShownRelay) -> None:
    shown.away = "Kafka at k1:9092 does not answer: timed out"
    try:
        window.page.wait_for_selector(".notice[data-level=bad]:has-text('Kafka at k1:9092')", timeout=10_000)
    finally:
        shown.away = ""


def serious(window: Window, where: str) -> list[tuple[str, str, list[str]]]:
    """What axe-core finds that is serious, with some of the elements."""
    found = axe_core.Axe().run(window.page).response["violations"]
    return [
        (where, each["id"], [node["html"][:200] for node in each["nodes"][:3]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_window(
    browser: Any, shown: ShownRelay, view: str
) -> None:
    window = Window(browser, shown, view)
    found = []
    for tab in TABS if view == "light" else TABS[:3]:
        window.open(tab)
        window.page.wait_for_selector(f"#{tab} :is(table, p:not(:empty))")
        found += serious(window, tab)
    window.open("readers")
    window.page.click("button[aria-label='pause consumer:billing']")
    found += serious(window, "the dialog")
    wide = window.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    window.close()

    assert found == []
    assert wide <= 0


@pytest.mark.skipif(
    PICTURES is None, reason="the pictures of the docs are written when OUTBOX_TEST_PICTURES says where"
)
def test_pictures_for_the_docs(browser: Any, mongo: MongoClient[dict[str, Any]]) -> None:
    mongo.drop_database("shop")
    with new_outbox(mongo.shop, capacity="64 MiB", sequence=False) as orders:
        fill(orders, readers=5, letters=230, hostile=False)
        shown = ShownRelay(orders)
        an_hour(shown.watch, "shop.outbox", 153, 77)
        with shown:
            for view in VIEWS:
                window = Window(browser, shown, view)
                window.page.check("input[value='1h']")
                window.page.wait_for_function("document.querySelectorAll('.plot canvas').length === 6")
                if view == "dark":
                    window.open("letters")
                    window.page.wait_for_selector("#letters-found td")
                    window.page.evaluate("scrollTo(0, document.getElementById('charts').offsetTop - 60)")
                window.page.wait_for_timeout(3000)  # for the numbers of some looks
                window.page.screenshot(path=Path(PICTURES or "", f"page-{view}.png"), full_page=view == "light")
                window.close()
    mongo.drop_database("shop")
