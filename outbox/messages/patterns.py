"""Recognises regular expressions that Python, PCRE (the server) and ECMAScript (JSON Schema) read alike."""

from __future__ import annotations

import re

# Left out, because the three differ on it: \d \w \s \b (Unicode in Python, ASCII in PCRE), \Z, look-around, back
# references, possessive quantifiers, `{,n}`, inline flags, a bracket or a caret inside a class.
_ESCAPED = r"\\[\^$\\.*+?()\[\]{}|/-]"
_PORTABLE = re.compile(
    rf"""(?:
        [^\\\[\](){{}}.*+?^$|]                                   # a literal
      | {_ESCAPED}
      | \[\^?(?:[^\\\[\]^]|{_ESCAPED})+\]                        # a class
      | [.^$|)] | \(\?: | \((?!\?)
      | (?:[*+?]|\{{[0-9]{{1,3}}(?:,[0-9]{{0,3}})?\}})\??(?![*+?{{])  # a quantifier
    )*""",
    re.VERBOSE,
)


def portable_pattern(pattern: re.Pattern[str]) -> str | None:
    """Returns the pattern as `re.match` reads it (anchored at the start); None when others may read it otherwise."""
    if pattern.flags & ~(re.UNICODE | re.ASCII) or not _PORTABLE.fullmatch(pattern.pattern):
        return None
    return f"^(?:{pattern.pattern})"
