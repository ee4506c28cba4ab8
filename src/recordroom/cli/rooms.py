"""Which room a command works on, and its arguments: `[ROOM] WORD …`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal, cast

from cyclopts import Parameter

if TYPE_CHECKING:
    from ..client.session import Session
    from ..store.room import Room as StoredRoom

__all__ = ["STREAM", "Database", "Json", "Room", "UsageError", "Wait", "Words", "open_session", "placed", "room_of"]

VARIABLE = "RECORDROOM_URL"
# What "-" becomes before the command line is parsed, where it would be an option without a name.
STREAM = "\0-"

# `placed` takes them apart; the usage line of each command says what they are.
Words = Annotated[str, Parameter(show=False)]
Room = Annotated[
    str | None,
    Parameter(name="--room", help="The room: a folder or postgresql://… (or as first argument, or in RECORDROOM_URL)."),
]
Database = Annotated[str, Parameter(name="--database", help="Which database of the room.")]
Wait = Annotated[float, Parameter(name="--wait", help="Seconds to wait while another process writes to the room.")]
Json = Annotated[bool, Parameter(name="--json", negative=(), show_default=False, help="Print JSON for scripts.")]


class UsageError(Exception):
    """The command line is wrong; the text says how."""


def placed(words: Sequence[str], room: str | None, names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The room and the other arguments, which `names` names; UsageError where they are too few or too many.

    One argument more than `names` is the room; else it comes from --room or the environment.
    """
    if len(words) == len(names) + 1:
        if room is not None:
            raise UsageError(f"the room is given twice: {words[0]!r} and --room {room!r}")
        return words[0], tuple(words[1:])
    expected = " ".join(["[ROOM]", *names])
    if len(words) != len(names):
        found = f"got {len(words)}: {' '.join(map(repr, words))}" if words else "got none"
        raise UsageError(f"expected the arguments {expected}; {found}")
    given = room if room is not None else os.environ.get(VARIABLE)
    if not given:
        raise UsageError(f"which room? Give it as the first argument ({expected}), with --room, or in {VARIABLE}")
    return given, tuple(words)


def room_of(session: Session) -> StoredRoom:
    """What the session reaches, with what it has beyond the protocol: `check`, `compact` …"""
    return cast("StoredRoom", session.transport)


def open_session(
    room: str, database: str, *, mode: Literal["read", "write"] = "read", create: bool = False, wait: float = 0.0
) -> Session:
    """A session with the room; RoomNotFound where there is none and `create` is not asked for."""
    from .. import connect

    return connect(room, database=database, mode=mode, create=create, wait=wait)
