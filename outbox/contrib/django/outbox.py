"""The outbox in a database of Django: its puts join the transactions of django_mongodb_backend."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, overload

from bson import ObjectId
from django.core.exceptions import ImproperlyConfigured  # type: ignore[import-untyped]  # Django ships no types
from django.db import connections  # type: ignore[import-untyped]  # as above

from outbox.contrib.django.backend_internals import session_of
from outbox.errors import TransactionRequired
from outbox.outbox import Outbox
from outbox.staging.put import Message

ENGINE = "django_mongodb_backend"

_MISSING = (
    "put was called outside a transaction, so the message would not commit with the data: call it inside `with "
    "django_mongodb_backend.transaction.atomic():`. A message that belongs to no other write is put with "
    "standalone=True"
)
_NO_TRANSACTION = (
    "put was called inside django.db.transaction.atomic, which is no transaction on MongoDB: nothing is rolled back "
    "when it ends with an error, nor by ATOMIC_REQUESTS. Use atomic of django_mongodb_backend.transaction instead"
)


class DjangoOutbox:
    """The outbox `name` in the database `using` of Django's settings; made once, in a module, as other settings are.

    It connects when it is first used, so that it may be made before a fork, and follows the test runner into its
    database. Takes what Outbox takes. Thread-safe.
    """

    def __init__(
        self, name: str = "outbox", *, using: str = "default", messages: Sequence[type[Any]] = (), **options: Any
    ) -> None:
        """options: capacity, max_message_bytes and sequence, of Outbox."""
        self.name = name
        self.using = using
        self._options = {"messages": messages, **options}
        self._lock = threading.Lock()
        self._made: Outbox | None = None
        self._made_for: tuple[int, int, str] | None = None

    @property
    def outbox(self) -> Outbox:
        """The Outbox of this process, for all but putting. Raises as Outbox does, and ImproperlyConfigured."""
        connection = self._connection()
        database = connection.database
        client, name = database.client, connection.settings_dict["NAME"]
        made_for = (os.getpid(), id(client), name)  # clients of the same server are equal to one another
        with self._lock:
            if self._made is None or self._made_for != made_for:
                if self._made is not None:
                    self._made.close()
                self._made = Outbox(client[name], self.name, **self._options)
                self._made_for = made_for
            return self._made

    @overload
    def put(
        self, message: Message, *, headers: Mapping[str, str] | None = None, standalone: bool = False
    ) -> ObjectId: ...
    @overload
    def put(
        self, message: Sequence[Message], *, headers: Mapping[str, str] | None = None, standalone: bool = False
    ) -> list[ObjectId]: ...
    def put(
        self,
        message: Message | Sequence[Message],
        *,
        headers: Mapping[str, str] | None = None,
        standalone: bool = False,
    ) -> ObjectId | list[ObjectId]:
        """Puts in the transaction of `django_mongodb_backend.transaction.atomic`, as Outbox.put; returns the ids.

        Raises TransactionRequired outside one, and inside Django's own atomic, which is none.
        """
        connection = self._connection()
        session = session_of(connection)
        if session is None and not standalone:
            raise TransactionRequired(_NO_TRANSACTION if connection.in_atomic_block else _MISSING)
        return self.outbox.put(message, session=session, headers=headers, standalone=standalone)

    def close(self) -> None:
        """Closes what this process has made of it, as Outbox.close; it is made anew when it is used again."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close()

    def _connection(self) -> Any:
        connection = connections[self.using]
        if connection.settings_dict["ENGINE"] != ENGINE:
            raise ImproperlyConfigured(
                f"the outbox {self.name!r} is in DATABASES[{self.using!r}], whose ENGINE is "
                f"{connection.settings_dict['ENGINE']!r}: name one of {ENGINE} by using="
            )
        return connection
