"""Lists as one parameter, so that a statement is the same however long they are."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from ..model.kinds import Storage
from .decimals import encode_column

__all__ = ["list_parameter"]


def list_parameter(items: Sequence[Any], storage: Storage, sqlite: bool) -> Any:
    """Raw scalars without null as what the driver binds: an array of PostgreSQL, or for SQLite's `carray(?)`."""
    if not sqlite:
        return list(items)
    if not items:
        return None  # An empty array cannot be bound; none is as empty.
    from apsw import carray  # PostgreSQL alone must work without it.

    if storage is Storage.INTEGER or storage is Storage.BOOLEAN:
        return carray(array("q", items))
    if storage is Storage.REAL:
        return carray(array("d", items))
    return carray(tuple(encode_column(items) if storage is Storage.DECIMAL else items))
