"""Sessions as text, for another process to go on with: which room, which database, and who for a while.

The text holds the access token of a session that has one, never its refresh token, and an API key only where that is asked
for: it is as secret as what it holds, and to be trusted as the program that made it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import InvalidValue
from .credentials import AccessToken, ApiKey, Credentials
from .secret import Secret

if TYPE_CHECKING:
    from .session import Session

__all__ = ["deserialize", "serialize"]

_VERSION = 1


class _Text(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    recordroom_session: int
    where: str
    database: str
    page_size: int
    project: str | None = None
    access_token: str | None = None
    ends: float | None = None
    api_key: str | None = None


def serialize(session: Session, *, api_key: bool) -> str:
    """The text of a session; InvalidValue where an API key shall go with it and there is none."""
    credentials: Credentials | None = getattr(session.transport, "credentials", None)
    held = {} if credentials is None else credentials.handover()
    if api_key:
        held["api_key"] = _key(credentials)
    text = _Text(
        recordroom_session=_VERSION,
        where=session.transport.where,
        database=session.database,
        page_size=session.page_size,
        project=session.project,
        **held,
    )
    return msgspec.json.encode(text).decode()


def deserialize(text: str, settings: dict[str, Any]) -> Session:
    """A session for a text that `serialize` made; InvalidValue for another."""
    found = _read(text)
    given = {"database": found.database, "page_size": found.page_size}
    if found.access_token is not None:
        given["credentials"] = AccessToken(Secret(found.access_token), found.where, ends=found.ends)
    if found.api_key is not None:
        given["api_key"] = found.api_key
    # Upwards, and so not by an import statement: only `connect` knows every kind of room.
    connect = importlib.import_module("recordroom.connection").connect
    session: Session = connect(found.where, **{**given, **settings})
    session.project = session.project or found.project
    return session


def _key(credentials: Credentials | None) -> str:
    if not isinstance(credentials, ApiKey):
        expected = "False: this session has no API key"
        raise InvalidValue(type="serialize", attribute="api_key", value=True, expected=expected)
    return credentials.key.reveal()


def _read(text: str) -> _Text:
    try:
        found = msgspec.json.decode(text, type=_Text)
    except (msgspec.MsgspecError, UnicodeEncodeError, TypeError):
        found = None
    if found is None or found.recordroom_session != _VERSION:
        # Not shown: it may hold a token.
        expected = "a text that session.serialize() made"
        raise InvalidValue(
            f"Session.deserialize: expected {expected}.",
            type="Session", attribute="deserialize", value="…", expected=expected,
        )  # fmt: skip
    return found
