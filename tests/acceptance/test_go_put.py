"""Another language puts by the written contract alone: the very Go of docs/wire-contracts.md, built and run."""

from __future__ import annotations

import re
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
from mongoengine import EmbeddedDocument, IntField, StringField
from pymongo.database import Database

from outbox import Outbox, message
from tests.acceptance.example import run, uri_of
from tests.acceptance.pages import ROOT, blocks

MODULE = """\
module put

go 1.24

require go.mongodb.org/mongo-driver/v2 v2.10.0
"""
PROGRAM = """\
package main

import (
	"context"
	"log"
	"os"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

{put}

func placeOrder(ctx context.Context, shop *mongo.Database, session *mongo.Session) error {{
{order}
	return err
}}

func main() {{
	ctx := context.Background()
	client, err := mongo.Connect(options.Client().ApplyURI(os.Getenv("MONGO_URI")))
	if err != nil {{
		log.Fatal(err)
	}}
	session, err := client.StartSession()
	if err != nil {{
		log.Fatal(err)
	}}
	if err := placeOrder(ctx, client.Database(os.Getenv("DATABASE")), session); err != nil {{
		log.Fatal(err)
	}}
}}
"""


@message("order.placed", key="order_id")
class OrderPlaced(EmbeddedDocument):
    order_id = StringField(required=True)
    pieces = IntField(required=True, min_value=1)


def found() -> bool:
    """Tells whether there is a compiler that takes the module; one of a distribution may be years older."""
    if shutil.which("go") is None:
        return False
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=False, timeout=60).stdout
    version = re.search(r"go1\.(\d+)", said)
    return version is not None and int(version[1]) >= 24


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The page's Go, with what stands around it, built."""
    if not found():
        pytest.skip("NO GO OF 1.24 OR NEWER ON THE PATH: the Go of docs/wire-contracts.md was NOT built")
    [(code, _)] = blocks(ROOT / "docs" / "wire-contracts.md", "go")
    put, _, order = code.partition("\n}\n")
    text = PROGRAM.format(put=f"{put}\n}}", order=textwrap.indent(order.strip(), "\t"))
    (tmp_path / "main.go").write_text(text, encoding="utf-8")
    (tmp_path / "go.mod").write_text(MODULE, encoding="utf-8")
    # As little as a compiler can do: neither C nor an optimizer.
    run(["go", "build", "-mod=mod", "-gcflags=all=-N -l", "-o", "put"], tmp_path, cap_seconds=300, CGO_ENABLED="0")
    return tmp_path / "put"


@pytest.mark.heavy  # what has no cache yet compiles the driver: half a minute of CPU
@pytest.mark.timeout(360)
def test_go_puts_in_a_transaction_what_is_numbered_and_read(
    program: Path, mongo_uri: str, database: Database[Any]
) -> None:
    with Outbox(database, messages=[OrderPlaced]) as orders:
        orders.create()

        run([str(program)], MONGO_URI=uri_of(mongo_uri, database), DATABASE=database.name)
        orders.sequence()

        [record] = orders.read(1)
    assert (record.type, record.key, record.message.pieces) == ("order.placed", "1", 3)
    assert [each["_id"] for each in database["orders"].find()] == ["1"]
