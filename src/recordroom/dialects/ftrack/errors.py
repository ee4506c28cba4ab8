"""Errors as ftrack's client reads them: `{"exception", "content", "error_code"}`, of which both first are needed.

The client formats messages with `str.format`, so `content` never has a brace.
"""

from __future__ import annotations

import json

from ...errors import Error, InvalidRequest

__all__ = ["InvalidAction", "body_of", "status_of", "told"]

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


def told(error: Error) -> tuple[str, str]:
    """The name of an error there, and what it says."""
    name = _NAMES.get(error.code, "ValidationError" if error.status < 500 else "ServerError")
    return name, error.message.translate(_BRACES)


def body_of(error: BaseException) -> bytes:
    """The answer that says what went wrong. What was not raised on purpose tells nothing about itself."""
    name, content = told(error if isinstance(error, Error) else Error())
    return json.dumps({"exception": name, "content": content, "error_code": None}).encode()


def status_of(error: BaseException, *, strict: bool) -> int:
    """The status of the answer: clients that are not strict look at the body only."""
    if not strict:
        return 200
    return error.status if isinstance(error, Error) else 500
