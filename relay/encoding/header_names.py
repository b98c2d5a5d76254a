"""Under which names headers go to Kafka."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from outbox.delivery.ports import Headers
from outbox.messages.limits import RESERVED_HEADERS
from relay.errors import InvalidSettings

_NAME = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_NOTHING: Mapping[str, str] = {}


class HeaderNames:
    """Renames headers, and leaves out some.

    names: the new name of a header, whosever it is; "" leaves it out. prefix: what stands before the names of the
    relay's own headers (`id`, `seq`, `log`, `created`, `type`) that are not in `names`.

    Immutable, thread-safe. Raises InvalidSettings for a name that Kafka's tools would not take, and for one name for
    two of the relay's own headers.
    """

    def __init__(self, names: Mapping[str, str] = _NOTHING, prefix: str = "") -> None:
        self.names = {**{name: prefix + name for name in RESERVED_HEADERS if prefix}, **names}
        for name, new in self.names.items():
            if new and not _NAME.fullmatch(new):
                raise InvalidSettings(
                    f"--header-map: {name}={new}: a header's name is 1 to 128 letters, digits, '.', '_', ':' or '-'; "
                    f"{name}= leaves it out"
                )
        own = [new for name in RESERVED_HEADERS if (new := self.names.get(name, name))]
        twice = sorted({name for name in own if own.count(name) > 1})
        if twice:
            raise InvalidSettings(f"--header-map gives two headers the name {twice[0]!r}")

    def of(self, headers: Iterable[tuple[str, str]]) -> Headers:
        """Returns the headers under their new names, in their order."""
        names = self.names
        if not names:
            return list(headers)
        return [(new, value) for name, value in headers if (new := names.get(name, name))]
