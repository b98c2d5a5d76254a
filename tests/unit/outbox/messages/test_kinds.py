"""The libraries that message classes come from: none is imported before the program has imported it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from mongoengine import EmbeddedDocument, StringField

from outbox import InvalidMessageClass, message
from outbox.messages.kinds import kind_of


def run(code: str) -> str:
    """What a process of its own prints; it must end well."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_outbox_imports_no_library_that_messages_may_come_from() -> None:
    assert run("import sys, outbox, outbox.testing; print({'mongoengine', 'pydantic'} & set(sys.modules))") == "set()\n"


def test_a_put_finds_mongoengine_s_transaction_without_importing_it() -> None:
    code = """
import sys, types
from outbox import TransactionRequired
from outbox.testing import MemoryOutbox
memory = MemoryOutbox()
try:
    memory.put([])
except TransactionRequired:
    print("none without it")
session = types.SimpleNamespace(in_transaction=True)
stub = types.ModuleType("mongoengine.connection")
stub._get_session = lambda: session
sys.modules["mongoengine.connection"] = stub
print(memory.put([]), "mongoengine" in sys.modules)
session.in_transaction = False
try:
    memory.put([])
except TransactionRequired:
    print("none at its end")
"""
    assert run(code) == "none without it\n[] False\nnone at its end\n"


def test_a_put_is_refused_where_mongoengine_s_transaction_cannot_be_seen() -> None:
    code = """
import mongoengine.connection, mongoengine.context_managers
from outbox import TransactionRequired
from outbox.testing import MemoryOutbox
mongoengine.context_managers.run_in_transaction = print
vars(mongoengine.connection).pop("_get_session", None)
for standalone in (False, True):
    try:
        MemoryOutbox().put([], standalone=standalone)
    except TransactionRequired as error:
        print("cannot be seen" in str(error), "install an older mongoengine" in str(error))
"""
    assert run(code) == "True True\n" * 2


def test_classes_are_declared_whatever_was_imported_first() -> None:
    code = """
import outbox
from mongoengine import EmbeddedDocument
cls = outbox.message("late")(type(EmbeddedDocument)("Late", (EmbeddedDocument,), {}))
print(outbox.testing.MemoryOutbox(messages=[cls]).put([cls()], standalone=True) != [])
"""
    assert run(code.replace("import outbox\n", "import outbox, outbox.testing\n")) == "True\n"


def test_a_class_of_no_such_library_has_no_kind() -> None:
    assert kind_of(dict) is None
    with pytest.raises(InvalidMessageClass, match="<class 'dict'> cannot be a message"):
        message("some.type")(dict)


def test_a_document_has_one() -> None:
    kind = kind_of(type(EmbeddedDocument)("Kinded", (EmbeddedDocument,), {"name": StringField(db_field="n")}))

    assert kind is not None
