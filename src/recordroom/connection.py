"""`connect`: the one place that chooses how a session reaches its room."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from .client.session import Session
from .errors import RoomNotFound

__all__ = ["connect"]

VARIABLE = "RECORDROOM_URL"


def connect(  # noqa: PLR0913 - each is one thing that the user may say
    where: str | Path | None = None,
    *,
    database: str = "main",
    actor: str = "owner",
    mode: Literal["read", "write"] = "write",
    create: bool = True,
    wait: float = 0.0,
    page_size: int = 1000,
    **settings: Any,
) -> Session:
    """A session with a room: a folder such as `studio.room`, made if there is none, or `postgresql://…`.

    Without `where` the environment variable RECORDROOM_URL says it. `create=False` raises RoomNotFound instead of making
    a room. One process at a time may have an embedded room open for writing: another gets RoomLocked after `wait`
    seconds, or opens it with mode="read". Sessions of one process share a room. `settings` change the room's settings.
    """
    given = where if where is not None else os.environ.get(VARIABLE)
    if not given:
        raise RoomNotFound(
            f'Which room? Give connect("studio.room") a folder or postgresql://…, or set {VARIABLE}.', path=None
        )
    if str(given).partition("://")[0].lower() in ("http", "https"):
        raise RoomNotFound(
            f"{given}: rooms behind a server cannot be reached yet; connect to a folder or to postgresql://…",
            path=given,
        )
    # The store is imported where it is needed, so that `import recordroom` stays quick.
    from .store.room import Room

    room = Room.open(str(given), mode=mode, create=create, wait=wait, actor=actor, **settings)
    try:
        session = Session(room, database=database, page_size=page_size)
        session.schema  # noqa: B018 - a database that there is not is an error now, not later
    except BaseException:
        room.close()
        raise
    return session
