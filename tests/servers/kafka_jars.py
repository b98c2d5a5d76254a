"""Kafka's jars, fetched by Maven once a user, and what each start of a broker would come to anew, kept beside them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "kafka"


class KafkaUnavailable(Exception):
    """Java or Maven is missing, or the jars could not be had."""


def kafka_jars() -> Path:
    """The folder with Kafka's jars: fetched by Maven once a user and pom. Raises KafkaUnavailable."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise KafkaUnavailable(f"`{tool}` is not on the PATH: Kafka's jars need Java 17 and Maven")
    pom = FOLDER / "pom.xml"
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "mongo-outbox")
    jars = cache / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if not jars.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            fetched = Path(folder, "jars")
            command = [
                "mvn",
                "-q",
                "-B",
                "-f",
                str(pom),
                "dependency:copy-dependencies",
                f"-DoutputDirectory={fetched}",
            ]
            maven = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False
            )
            if maven.returncode != 0:
                raise KafkaUnavailable(f"Maven could not fetch Kafka's jars:\n{maven.stdout[-2000:]}")
            try:
                fetched.rename(jars)  # whole or not at all, also when two sessions fetch at once
            except OSError:
                if not jars.exists():
                    raise
    return jars


def kept_classes(jars: Path) -> Path:
    """Where Java finds a broker's classes loaded and checked, for half of its start. Another Java passes it over."""
    return jars.with_suffix(".jsa")


def kept_checkpoint(jars: Path) -> Path:
    """The first records of a formatted log: the same for every broker, and a start of Java each time."""
    return jars.with_suffix(".checkpoint")
