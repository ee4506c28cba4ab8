"""Errors as ftrack's client reads them: `{"exception", "content", "error_code"}`, of which both first are needed.

The client formats messages with `str.format`, so `content` never has a brace.
"""

from __future__ import annotations

import json

from ...errors import Error, InvalidRequest

__all__ = ["InvalidAction", "body_of", "status_of"]

_BRACES = str.maketrans("{}", "()")


class InvalidAction(InvalidRequest):
    """Invalid action u'{action}'.

    The client looks for these words.
    """

    code = "invalid_action"


_NAMES = {
    "not_authenticated": "AuthenticationError",
    "token_expired": "AuthenticationError",
    "permission_denied": "PermissionError",
    "not_found": "EntityNotFoundError",
    "not_unique": "DuplicateEntryError",
    "query_syntax": "ParseError",
    "invalid_action": "InvalidActionError",
}


def body_of(error: BaseException) -> bytes:
    """The answer that says what went wrong. What was not raised on purpose tells nothing about itself."""
    named = error if isinstance(error, Error) else Error()
    name = _NAMES.get(named.code, "ValidationError" if named.status < 500 else "ServerError")
    content = named.message.translate(_BRACES)
    return json.dumps({"exception": name, "content": content, "error_code": None}).encode()


def status_of(error: BaseException, *, strict: bool) -> int:
    """The status of the answer: clients that are not strict look at the body only."""
    if not strict:
        return 200
    return error.status if isinstance(error, Error) else 500
