"""The OpenAPI 3.1 document, made of the table of routes and of the structs themselves.

It describes JSON: ids are texts of 36 characters, moments ISO 8601. The same structs travel as msgpack, where ids are 16
bytes and moments integers of microseconds (docs/http.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from importlib import metadata
from inspect import cleandoc
from typing import Any

import msgspec

from ..errors import Error
from ..model import wire
from .route import Route

__all__ = ["document"]

Tree = dict[str, Any]

_ID = {"type": "string", "format": "uuid"}
_MOMENT = {"type": "string", "format": "date-time"}
_ABOUT = """\
One room, for many people. Every answer has `x-request-id`, and `x-recordroom-schema`: the revision of the room's
schemas. Requests and answers are JSON or msgpack, as `Content-Type` and `Accept` say. Every failure has one shape:
`{"error": {"code", "message", "details"}}`."""
_GROUPS = {
    "room": "Asking and changing",
    "accounts": "Logging in, tokens, passwords",
    "files": "The bytes of components",
    "events": "What happens in the room, as it happens",
    "health": "For whoever runs the server",
}
_PHRASES = {460: "Checksum Mismatch"}  # of tus
_ALWAYS = (400, 406, 500, 503)
_WITH_BODY = (408, 413, 415, 422)
_WITH_ACTOR = (401, 403, 404, 429)
_OF_ROOM = (409, 410, 423, 507)


def document(routes: tuple[Route, ...]) -> bytes:
    """The document as JSON."""
    kinds = [each for route in routes for each in (route.takes, route.gives) if each is not None]
    found, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schemas = dict(zip(map(_key, kinds), found, strict=True))
    paths: Tree = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "recordroom", "version": metadata.version("recordroom"), "description": _ABOUT},
            "tags": [{"name": name, "description": text} for name, text in _GROUPS.items()],
            "paths": paths,
            "components": {
                "schemas": {name: _as_json(name, each) for name, each in components.items()} | {"Error": _ERROR},
                "responses": {
                    str(each): _failure(each) for each in sorted({each for r in routes for each in _statuses(r)})
                },
                "headers": _ALL_HEADERS,
                "securitySchemes": {
                    "bearer": {
                        "type": "http",
                        "scheme": "bearer",
                        "description": "An API key (`rrk_…`) or an access token from `/v1/tokens`.",
                    }
                },
            },
        }
    )


def _key(kind: Any) -> str:
    return repr(kind)


# --- operations -------------------------------------------------------------------------------------


def _operation(route: Route, schemas: Tree) -> Tree:
    found: Tree = {
        "operationId": _name_of(route),
        "tags": [route.group],
        "summary": route.summary,
        "security": [] if route.open else [{"bearer": []}],
        "responses": _responses(route, schemas),
    }
    if route.description:
        found["description"] = route.description
    if route.parameters:
        found["parameters"] = [_parameter(route, each) for each in route.parameters]
    if route.takes is not None:
        found["requestBody"] = {"required": True, "content": _content(route, schemas)}
    return found


def _name_of(route: Route) -> str:
    words = [word.strip("{}") for word in route.path.split("/") if word and word != "v1"]
    return "_".join([route.method.lower(), *words]).replace(".", "_")


def _parameter(route: Route, parameter: Any) -> Tree:
    inside = f"{{{parameter.name}}}" in route.path
    found: Tree = {
        "name": parameter.name,
        "in": "path" if inside else "query",
        "required": inside,
        "description": parameter.description,
        "schema": parameter.schema,
    }
    return found if parameter.example is None else found | {"example": parameter.example}


def _content(route: Route, schemas: Tree) -> Tree:
    schema = _as_json("", schemas[_key(route.takes)])
    as_json: Tree = {"schema": schema}
    if route.example is not None:
        as_json["example"] = route.example
    return {wire.JSON: as_json, wire.MSGPACK: {"schema": schema}}


def _responses(route: Route, schemas: Tree) -> Tree:
    found: Tree = {str(route.status): _success(route, schemas)}
    for status in sorted(set(_statuses(route))):
        found[str(status)] = _page_failure(status) if _is_page(route) else {"$ref": f"#/components/responses/{status}"}
    return found


def _is_page(route: Route) -> bool:
    return any(kind.startswith("text/html") for kind in route.kinds)


def _page_failure(status: int) -> Tree:
    """A page for what the page itself finds wrong, JSON for what is wrong before it is asked."""
    found = _failure(status)
    return found | {"content": found["content"] | {"text/html": {"schema": {"type": "string"}}}}


def _failure(status: int) -> Tree:
    return {
        "description": _PHRASES.get(status) or HTTPStatus(status).phrase,
        "headers": _HEADERS,
        "content": {wire.JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def _success(route: Route, schemas: Tree) -> Tree:
    found: Tree = {"description": HTTPStatus(route.status).phrase, "headers": _HEADERS}
    if route.kinds:
        schema = {} if route.gives is None else {"schema": _as_json("", schemas[_key(route.gives)])}
        found["content"] = {kind.partition(";")[0]: schema for kind in route.kinds}
    return found


def _statuses(route: Route) -> Iterable[int]:
    yield from _ALWAYS
    if route.takes is not None:
        yield from _WITH_BODY
    # Some of files are open because a signed address stands for a credential.
    if not route.open or route.group == "files":
        yield from _WITH_ACTOR
    if route.group in ("room", "events", "accounts", "files"):
        yield from _OF_ROOM
        yield 422
    for error in route.fails:
        if issubclass(error, Error):
            yield error.status


# --- schemas ----------------------------------------------------------------------------------------


def _as_json(name: str, tree: Any) -> Any:
    """A schema of msgspec, for JSON as this server has it."""
    found = _without_bytes(tree)
    if isinstance(found, dict) and "description" in found:
        found["description"] = cleandoc(found["description"])
    properties = found.get("properties", {}) if isinstance(found, dict) else {}
    if "time" in properties:
        properties["time"] = _MOMENT
    if name == "Change":
        properties["commit_id"] = {"type": "string", "description": "An id; empty where it is not known any more."}
    if name == "QueryRequest":
        text = {"type": "string", "examples": ["Task where status is 'open' order by name"]}
        properties["query"] = {"anyOf": [text, properties["query"]]}
    return found


def _without_bytes(tree: Any) -> Any:
    if isinstance(tree, list):
        return list(map(_without_bytes, tree))
    if not isinstance(tree, dict):
        return tree
    if tree.get("contentEncoding") == "base64":
        return _ID
    return {name: _without_bytes(each) for name, each in tree.items()}


_ALL_HEADERS = {
    "x-request-id": {"description": "Names the request in the server's log.", "schema": {"type": "string"}},
    "x-recordroom-schema": {"description": "Revision of the room's schemas.", "schema": {"type": "string"}},
}
_HEADERS = {name: {"$ref": f"#/components/headers/{name}"} for name in _ALL_HEADERS}
_ERROR = {
    "type": "object",
    "description": "What went wrong. `code` is stable; `details` are the facts; `types` says what those are that are not"
    " plain JSON.",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string", "examples": ["not_found"]},
                "message": {"type": "string"},
                "details": {"type": "object"},
                "types": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        }
    },
}
