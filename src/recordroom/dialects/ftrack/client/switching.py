"""Blocks in which a session loads, or records, otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .session import Session

__all__ = ["AutoPopulatingContext", "OperationRecordingContext"]


class AutoPopulatingContext:
    """A block with another `auto_populate`."""

    def __init__(self, session: Session, auto_populate: bool) -> None:
        self._session = session
        self._value = auto_populate

    def __enter__(self) -> None:
        self._before = self._session.auto_populate
        self._session.auto_populate = self._value

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._session.auto_populate = self._before


class OperationRecordingContext:
    """A block with another `record_operations`."""

    def __init__(self, session: Session, record_operations: bool) -> None:
        self._session = session
        self._value = record_operations

    def __enter__(self) -> None:
        self._before = self._session.record_operations
        self._session.record_operations = self._value

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._session.record_operations = self._before
