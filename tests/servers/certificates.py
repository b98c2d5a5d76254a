"""Certificates of the tests' own: an authority, a server's for 127.0.0.1, and a client's. Made by `openssl`."""

from __future__ import annotations

import subprocess
from pathlib import Path

CLIENT_SUBJECT = "CN=relay,O=Outbox clients"
"""The client certificate's subject as MongoDB writes it: the name of an X.509 user."""

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Certificates:
    """Files in `folder`: `ca.pem`, and `server.pem` and `client.pem` with their keys. Raises FileNotFoundError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca = folder / "ca.pem"
        _openssl("req", "-x509", *_KEY, "-keyout", folder / "ca.key", "-out", self.ca, "-subj", "/CN=Outbox tests CA")
        self.server = self._signed("server", "/O=Outbox servers/CN=127.0.0.1", "subjectAltName=IP:127.0.0.1")
        self.client = self._signed("client", "/O=Outbox clients/CN=relay", "extendedKeyUsage=clientAuth")

    def _signed(self, name: str, subject: str, extension: str) -> Path:
        key, request, certificate = (self._folder / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
        _openssl("req", "-new", *_KEY, "-keyout", key, "-out", request, "-subj", subject)
        (extensions := self._folder / f"{name}.ext").write_text(extension)
        signing = ["-CA", self.ca, "-CAkey", self._folder / "ca.key", "-CAcreateserial", "-extfile", extensions]
        _openssl("x509", "-req", "-in", request, *signing, "-out", certificate, "-days", "2")
        whole = self._folder / f"{name}.pem"
        whole.write_text(certificate.read_text() + key.read_text())
        return whole


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, stdin=subprocess.DEVNULL)
