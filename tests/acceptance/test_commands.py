"""Every command that the README and the examples show runs as written, with the test's own servers."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from mongoengine import EmbeddedDocument, IntField, StringField
from pymongo.database import Database

from outbox import Outbox, message
from tests.acceptance.example import EXAMPLES, expected
from tests.acceptance.pages import ALONE, README, ROOT, TUTORIAL, clone, commands, start_shell
from tests.actors.browser import browser
from tests.actors.consumer import read_topic, topic_exists
from tests.waiting import wait_until

INSTALL = "python3 -m venv .venv && .venv/bin/pip install "
PAGES = [README, TUTORIAL, *sorted(EXAMPLES.glob("*/README.md"))]
SOURCES = Path(os.environ.get("OUTBOX_TEST_SOURCES", ROOT))


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    pieces = IntField(required=True, min_value=1)


class Shell:
    """Where the commands are typed: their addresses and their database become the test's."""

    def __init__(self, folder: Path, mongo_uri: str, database: Database[Any], kafka: str) -> None:
        self.folder = folder
        self._places = {
            "localhost:27017/shop?": f"{urlsplit(mongo_uri).netloc}/{database.name}?",
            "localhost:27017": urlsplit(mongo_uri).netloc,
            "--database shop": f"--database {database.name}",
            "localhost:9092": kafka,
        }

    def start(self, *typed: str) -> subprocess.Popen[str]:
        """Types them one after the other."""
        script = "\n".join(typed)
        for shown, here in self._places.items():
            script = script.replace(shown, here)
        return start_shell(script, self.folder)

    def run(self, *typed: str) -> str:
        """Until they have ended, well; what they printed."""
        shell = self.start(*typed)
        printed = shell.communicate(timeout=200)[0]
        assert shell.returncode == 0, printed
        return printed


@pytest.fixture
def shell(tmp_path: Path, mongo_uri: str, database: Database[Any], kafka: str) -> Shell:
    return Shell(clone(tmp_path), mongo_uri, database, kafka)


@pytest.fixture
def orders(database: Database[Any]) -> Outbox:
    """The outbox that a page's reader has by then, with a message in it."""
    with Outbox(database, messages=[OrderPlaced]) as orders:
        orders.create()
        orders.put(OrderPlaced(order_id="42", pieces=3), standalone=True)
        return orders


def typed(page: Path, beginning: str) -> list[str]:
    return [command for command in commands(page) if command.startswith(beginning)]


@pytest.mark.usefixtures("orders")
def test_the_relay_runs_as_the_readme_says(shell: Shell, database: Database[Any], kafka: str) -> None:
    [command] = typed(README, ".venv/bin/relay run")
    relay = shell.start(f"exec {command}")
    try:
        topic = f"{database.name}.outbox"
        wait_until(lambda: topic_exists(kafka, topic), 60, "the topic")
        [record] = read_topic(kafka, topic, until=bool)
        assert record.key() == b"42"
    finally:
        relay.send_signal(signal.SIGTERM)
        relay.communicate(timeout=60)
    assert relay.returncode == 0


@pytest.mark.parametrize("page", sorted(EXAMPLES.glob("*/README.md")), ids=lambda page: page.parent.name)
def test_an_example_runs_as_its_page_says(page: Path, shell: Shell, database: Database[Any]) -> None:
    name = page.parent.name
    if name.endswith(("node", "node_put")):
        if shutil.which("npm") is None:
            pytest.skip("npm is not on the PATH")
        shell.folder.joinpath("examples").unlink()
        shutil.copytree(EXAMPLES, shell.folder / "examples")  # npm installs into the example's folder
    if name == "node_put":
        with Outbox(database, messages=[OrderPlaced]) as orders:
            orders.create()
    typed = [command for command in commands(page) if not command.startswith(INSTALL)]
    if name == "gateway_page":
        with browser(shell.folder) as opener:
            printed = shell.run(f"export BROWSER={opener}", *typed)
    else:
        printed = shell.run(*typed)
    assert printed[-len(expected(name)) :] == expected(name)  # npm speaks first


@pytest.mark.heavy
@pytest.mark.timeout(2400)
def test_the_installations_of_the_readme_bring_what_they_are_for(tmp_path: Path) -> None:
    """The others install parts of these: tests/unit/project/test_pages.py looks for the extras that they name."""
    installations = typed(README, INSTALL)
    assert [command.rpartition(" && ")[2] for command in installations] == [".venv/bin/relay demo", ".venv/bin/pytest"]
    if not (SOURCES / "outbox").exists():
        pytest.skip("there is no package beside the tests to install: name a clone in OUTBOX_TEST_SOURCES")
    for number, command in enumerate(installations):
        folder = tmp_path / str(number)
        shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns(".venv", ".git", ".*_cache", "build"))
        environment = {name: value for name, value in ALONE.items() if name != "PYTHONPATH"}
        environment["PIP_NO_COMPILE"] = "1"  # a small part of all that is installed is needed
        without_the_tests = re.sub("/pytest$", "/pytest --version", command)  # they would run this test too
        subprocess.run(
            ["bash", "-ec", without_the_tests], cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=True
        )


def test_the_other_installations_are_the_same_but_for_their_extras() -> None:
    others = {command for page in PAGES for command in typed(page, INSTALL)} - set(typed(README, INSTALL))
    same = re.compile(rf"{re.escape(INSTALL)}-c constraints\.txt (?:\.|'\.\[[\w,]+\]')((?: [\w-]+)*)")
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    found = {command: same.fullmatch(command) for command in others}
    assert [
        command for command, match in found.items() if match is None or not pinned.issuperset(match[1].split())
    ] == []


def test_no_command_of_the_pages_is_left_out() -> None:
    """Those of the tutorial are typed by test_tutorial.py."""
    known = (INSTALL, ".venv/bin/relay run")
    assert [each for each in commands(README) if not each.startswith(known)] == []
    assert all(commands(page) for page in PAGES)
    others = [page for page in PAGES if page != TUTORIAL]
    indented = [line for page in others for line in page.read_text().splitlines() if line.startswith("    .venv/bin/")]
    assert len([each for page in others for each in commands(page) if each.startswith(".venv/bin/")]) == len(indented)
