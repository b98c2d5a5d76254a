"""The pytest plugin: its fixtures on a server, the page on testing as it stands, and nothing where it is not used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.acceptance.example import run
from tests.acceptance.pages import ROOT, blocks

PAGE = ROOT / "docs" / "testing.md"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_outbox", "-p", "no:cacheprovider", "-W", "error"]


@pytest.mark.parametrize("server", ["of the session", "of its own"])
def test_the_page_on_testing_runs(server: str, tmp_path: Path, mongo_uri: str) -> None:
    tests = tmp_path / "test_page.py"
    tests.write_text("\n\n".join(code for code, _ in blocks(PAGE, "python")))
    own = ["-k", "commits_with_its_message"] if server == "of its own" else ["--outbox-mongo", mongo_uri]

    printed = run([*PYTEST, *own, str(tests)], cwd=tmp_path)

    assert " passed" in printed


def test_a_project_that_does_not_use_it_is_loaded_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\n\ndef test_nothing():\n"
        "    assert 'pytest_outbox' in sys.modules\n"
        "    assert not {'outbox', 'pymongo', 'bson', 'mongoengine'} & sys.modules.keys()\n"
    )

    assert "1 passed" in run([*PYTEST, "test_nothing.py"], cwd=tmp_path)


def test_an_outbox_is_the_tests_own(tmp_path: Path, mongo_uri: str) -> None:
    (tmp_path / "test_two.py").write_text(
        "import pytest\n\nfrom outbox import message_type\n\n"
        "Placed = message_type('order.placed', schema={'bsonType': 'object'})\n\n\n"
        "@pytest.mark.parametrize('turn', [1, 2])\n"
        "def test_empty(outbox_factory, turn):\n"
        "    orders, other = [outbox_factory(name, messages=[Placed]) for name in ('a', 'b')]\n"
        "    assert list(orders.read()) == []\n"
        "    orders.put(Placed({}), standalone=True)\n"
        "    orders.sequence()\n"
        "    assert orders.collections.database.name == other.collections.database.name\n"
        "    print(f'\\nMINE {orders.collections.database.name}')\n"
    )

    printed = run([*PYTEST, "-s", "--outbox-mongo", mongo_uri, "test_two.py"], cwd=tmp_path)

    mine = {line.split()[1] for line in printed.splitlines() if line.startswith("MINE")}
    assert len(mine) == 2
