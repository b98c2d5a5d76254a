"""What a schema registry says, told apart: an answer, no answer, none for us, and none for this message."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from outbox.messages.json_value import Unencodable
from relay.errors import DeliveryRefused, InvalidSettings, Unreachable
from relay.kafka.schema_registry import SchemaRegistry
from tests.actors.registry import JSON, mock_registry


class Says(BaseHTTPRequestHandler):
    """Answers with the code that stands in the path."""

    def do_GET(self) -> None:
        code = int(self.path.split("/")[2])
        body = b'{"error_code": 1, "message": "said so"}'
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Says)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_has_the_newest_schema_of_a_subject() -> None:
    found = mock_registry(order__placed=("JSON", JSON)).look_up("order.placed", "t")

    assert (found.id, found.kind) == (1, "JSON")
    with pytest.raises(Unencodable, match=r"of the subject 'order\.cancelled'"):
        mock_registry(order__placed=("JSON", JSON)).look_up("order.cancelled", "t")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (404, Unencodable), (422, Unencodable), (401, DeliveryRefused), (403, DeliveryRefused),
        (500, Unreachable), (503, Unreachable), (429, Unreachable),
    ],
)  # fmt: skip
def test_what_it_says_is_told_apart(url: str, code: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="said so"):
        SchemaRegistry({"url": url}).look_up(str(code), "t")


def test_one_that_does_not_answer_is_away() -> None:
    with pytest.raises(Unreachable, match="did not answer"):
        SchemaRegistry({"url": "http://127.0.0.1:1"}).look_up("order.placed", "t")


@pytest.mark.parametrize("settings", [{"url": "ftp://me:secret@h"}, {}, {"url": "http://h", "sasl.me": "secret"}])
def test_settings_that_cannot_be_used_are_refused_without_their_values(settings: dict[str, str]) -> None:
    with pytest.raises(InvalidSettings, match="settings cannot be used") as refused:
        SchemaRegistry(settings)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("subject", ["orders", "{types}", "{type", "{}", "{type.x}"])
def test_a_subject_that_is_no_template_is_refused(subject: str) -> None:
    with pytest.raises(InvalidSettings, match="give a template with {type} or {topic}"):
        SchemaRegistry({"url": "mock://h"}, subject)
