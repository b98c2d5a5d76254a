"""A schema registry over HTTP, of which clients ask what Confluent's has: for reading alone."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextlib.contextmanager
def schema_registry(schemas: Mapping[str, tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """Serves schemas by their subjects, each with its kind; their ids are 1, 2 … Gives its address."""
    found = {
        subject: {"subject": subject, "version": 1, "id": id, "schemaType": kind, "schema": json.dumps(schema)}
        for id, (subject, (kind, schema)) in enumerate(schemas.items(), start=1)
    }
    answers = {f"/subjects/{subject}/versions/latest": each for subject, each in found.items()}
    answers |= {f"/schemas/ids/{each['id']}": each for each in found.values()}

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            body = json.dumps({"error_code": 40401, "message": "no such"} if answer is None else answer).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing: a test's output is its own."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        serving = threading.Thread(target=server.serve_forever, args=[0.05])
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()
