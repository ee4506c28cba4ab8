"""Which room a command works on, and its arguments: `[ROOM] WORD …`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, cast

from cyclopts import Parameter

from ..client.urls import is_server

if TYPE_CHECKING:
    from ..client.session import Session
    from ..store.room import Room as StoredRoom

__all__ = ["STREAM", "Database", "Json", "Room", "UsageError", "Wait", "Words", "open_session", "placed", "room_of"]

VARIABLE = "RECORDROOM_URL"
_PROFILE = "recordroom profile add"
# What "-" becomes before the command line is parsed, where it would be an option without a name.
STREAM = "\0-"

# `placed` takes them apart; the usage line of each command says what they are.
Words = Annotated[str, Parameter(show=False)]
Room = Annotated[
    str | None,
    Parameter(
        name="--room",
        help="The room: a folder, postgresql://… or https://… (or as first argument, in RECORDROOM_URL, or a profile).",
    ),
]
Database = Annotated[str | None, Parameter(name="--database", help="Which database of the room; main without.")]
Wait = Annotated[float, Parameter(name="--wait", help="Seconds to wait while another process writes to the room.")]
Json = Annotated[bool, Parameter(name="--json", negative=(), show_default=False, help="Print JSON for scripts.")]


class Named(str):
    """The room that the environment or a profile names, with whatever else they say of it."""

    __slots__ = ()


class UsageError(Exception):
    """The command line is wrong; the text says how."""


def placed(words: Sequence[str], room: str | None, names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The room and the other arguments, which `names` names; UsageError where they are too few or too many.

    One argument more than `names` is the room; else it comes from --room, the environment or a profile.
    """
    if len(words) == len(names) + 1:
        if room is not None:
            raise UsageError(f"the room is given twice: {words[0]!r} and --room {room!r}")
        return words[0], tuple(words[1:])
    expected = " ".join(["[ROOM]", *names])
    if len(words) != len(names):
        found = f"got {len(words)}: {' '.join(map(repr, words))}" if words else "got none"
        raise UsageError(f"expected the arguments {expected}; {found}")
    given = room if room is not None else _named()
    if not given:
        ways = f"with --room, in {VARIABLE}, or in a profile ({_PROFILE})"
        raise UsageError(f"which room? Give it as the first argument ({expected}), {ways}")
    return given, tuple(words)


def _named() -> Named | None:
    from ..client.target import target_of

    url = target_of({}, os.environ).url
    return None if url is None else Named(url)


def room_of(session: Session) -> StoredRoom:
    """What the session reaches, with what it has beyond the protocol: `check`, `compact` …

    UsageError for a server, which looks after its room itself.
    """
    if is_server(session.transport.where):
        raise UsageError("this works on the room itself, not through a server: run it where the room is")
    return cast("StoredRoom", session.transport)


def open_session(
    room: str, database: str | None, *, mode: Literal["read", "write"] = "read", create: bool = False, wait: float = 0.0
) -> Session:
    """A session with the room; RoomNotFound where there is none and `create` is not asked for."""
    from .. import connect

    where = None if isinstance(room, Named) else room
    if is_server(room):
        return connect(where, database=database, wait=wait or None)
    return connect(where, database=database, mode=mode, create=create, wait=wait)
