"""An APP whose outbox cannot be used ends every command with a sentence and a code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from tests.integration.outbox.cli.shell import APPLICATION, Shell


@pytest.mark.parametrize(
    "command",
    [
        ["status", "shop:orders"],
        ["tail", "shop:orders"],
        ["sequence", "shop:orders"],
        ["readers", "shop:orders", "list"],
    ],
)
def test_an_outbox_that_was_never_created_ends_with_4_and_says_what_to_do(shell: Shell, command: list[str]) -> None:
    refused = shell.run(*command)
    assert (refused.returncode, refused.stdout) == (4, "")
    assert refused.stderr.count("\n") == 1
    assert "`outbox create APP`" in refused.stderr


def test_a_wrong_password_ends_with_2_and_says_who_refused_it(shell: Shell) -> None:
    refused = shell.run("create", "shop:stranger")
    assert (refused.returncode, refused.stderr) == (
        2,
        "outbox: shop:stranger: MongoDB refused the user or password: Authentication failed.\n",
    )


def test_a_standalone_server_ends_with_4_and_is_called_what_it_is(
    shell: Shell, standalone: MongoClient[Any], tmp_path: Path
) -> None:
    assert standalone.address is not None
    alone = "mongodb://{}:{}/?directConnection=true".format(*standalone.address)
    (tmp_path / "alone.py").write_text(APPLICATION.format(uri=alone, stranger=alone, database="shop"))
    refused = shell.run("status", "alone:orders")
    assert refused.returncode == 4
    assert refused.stderr.startswith("outbox: this server is a standalone")


def test_a_server_that_does_not_answer_ends_with_3(shell: Shell) -> None:
    refused = shell.run("status", "shop:away")
    assert refused.returncode == 3
    assert refused.stderr.startswith("outbox: MongoDB did not answer: 127.0.0.1:1")
    assert refused.stderr.count("\n") == 1
