"""Constants that scripts compare with by identity.

`NOT_SET` is the one of recordroom's own session, so that values pass through unchanged.
"""

from __future__ import annotations

import os
from typing import Any, Final

from ....client.symbols import NOT_SET
from ....files import fixed

__all__ = [
    "CHUNK_SIZE",
    "COMPONENT_ADDED_TO_LOCATION_TOPIC",
    "COMPONENT_REMOVED_FROM_LOCATION_TOPIC",
    "CONNECT_LOCATION_ID",
    "CREATED",
    "DELETED",
    "JOB_SYNC_USERS_LDAP",
    "MODIFIED",
    "NOT_SET",
    "ORIGIN_LOCATION_ID",
    "REVIEW_LOCATION_ID",
    "SERVER_LOCATION_ID",
    "UNMANAGED_LOCATION_ID",
    "Symbol",
]


class Symbol:
    """A constant with a name; `value` says whether it counts as true. There is one of each, also after a copy."""

    def __init__(self, name: str, value: Any = True) -> None:
        self.name = name
        self.value = value

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"

    def __bool__(self) -> bool:
        return bool(self.value)

    def __copy__(self) -> Symbol:
        return self

    def __deepcopy__(self, memo: Any) -> Symbol:
        return self


CREATED: Final = Symbol("CREATED")
MODIFIED: Final = Symbol("MODIFIED")
DELETED: Final = Symbol("DELETED")

COMPONENT_ADDED_TO_LOCATION_TOPIC = "ftrack.location.component-added"
COMPONENT_REMOVED_FROM_LOCATION_TOPIC = "ftrack.location.component-removed"

ORIGIN_LOCATION_ID = fixed.ORIGIN
UNMANAGED_LOCATION_ID = fixed.UNMANAGED
REVIEW_LOCATION_ID = fixed.REVIEW
CONNECT_LOCATION_ID = fixed.CONNECT
SERVER_LOCATION_ID = fixed.SERVER

CHUNK_SIZE = int(os.getenv("FTRACK_API_FILE_CHUNK_SIZE", "0")) or 1024 * 1024

JOB_SYNC_USERS_LDAP: Final = Symbol("SYNC_USERS_LDAP")
