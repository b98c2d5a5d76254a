"""The OpenAPI 3.1 document, made of the calls and of the message classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from outbox.gateway.delivery.components import COMPONENT
from outbox.gateway.http.call import Call
from outbox.gateway.http.schemas import ERROR, HEADERS, TEXT, closed, or_null

_ANY = (400, 401, 403, 413, 429, 500, 503)
"""The refusals that every call may have."""


def document(calls: Iterable[Call], messages: Mapping[str, Any], *, tokens: bool, root: str = "") -> dict[str, Any]:
    """Makes the document. messages: the JSON Schema of each type that the reader of it may know of. root: what stands
    before each path, where the gateway is mounted under one."""
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call, messages, tokens=tokens)
    made: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "mongo-outbox gateway", "version": "1"},
        "paths": paths,
        "components": {"schemas": {"Error": ERROR}},
    }
    if root:
        made["servers"] = [{"url": root}]
    if tokens:
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return made


def _operation(call: Call, messages: Mapping[str, Any], *, tokens: bool) -> dict[str, Any]:
    name = re.sub(r"\W+", "_", f"{call.method.lower()} {call.path.removeprefix('/')}").strip("_")
    parameters = [_parameter("path", each, {"type": "string", "pattern": f"^{COMPONENT.pattern}$"}, required=True)
                  for each in re.findall(r"{(\w+)}", call.path)]  # fmt: skip
    parameters += [_parameter("query", each, schema) for each, schema in call.query.items()]
    parameters += [_parameter("header", each, schema) for each, schema in call.headers.items()]
    operation: dict[str, Any] = {"operationId": name, "summary": call.summary, "responses": _responses(call)}
    if parameters:
        operation["parameters"] = parameters
    if call.body is not None:
        body = _message(messages) if call.path == "/v1/messages" else call.body
        required = bool(body.get("required")) or "oneOf" in body
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": body}}}
    if tokens and not call.is_open:
        operation["security"] = [{"token": []}]
    return operation


def _parameter(place: str, name: str, schema: Any, *, required: bool = False) -> dict[str, Any]:
    return {"in": place, "name": name, "schema": schema, "required": required}


def _responses(call: Call) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for status, schema in call.answers.items():
        made[str(status)] = {"description": HTTPStatus(status).phrase}
        if schema is not None:
            made[str(status)]["content"] = {call.media_type: {"schema": schema}}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for status in sorted({*call.refusals, *(() if call.is_open else _ANY)}.difference(call.answers)):
        made[str(status)] = {"description": HTTPStatus(status).phrase, "content": error}
    return made


def _message(messages: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the schema of what can be posted: one alternative for each type."""
    plain = {type: {k: v for k, v in schema.items() if k != "$schema"} for type, schema in messages.items()}
    each = [
        closed({"type": {"const": type}, "data": schema}, key=or_null(TEXT), headers=HEADERS)
        for type, schema in plain.items()
    ]
    return {"oneOf": each} if each else closed({"type": TEXT, "data": {"type": "object"}})
