"""The one message of the acceptance tests: an entry in an account's ledger."""

from __future__ import annotations

from mongoengine import EmbeddedDocument, LongField, StringField

from outbox import message

TYPE = "ledger.entry"


@message(TYPE, key="account")
class Entry(EmbeddedDocument):
    """Entry `number` of `account`: 1, 2, 3 …, given out by the transaction that puts it, so that a key's order is
    known whoever wrote it."""

    account = StringField(required=True)
    number = LongField(required=True)
    padding = StringField(default="")
