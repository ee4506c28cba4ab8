"""Notes, and making them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from ..attribute import native_value
from .base import Entity

__all__ = ["CreateNoteMixin", "Note"]


class Note(Entity):
    """What somebody says about something."""

    def _construct(self, data: Mapping[str, Any], reconstructing: bool) -> None:
        super()._construct(data, reconstructing)
        category = native_value(data.get("category")) or data.get("category_id")
        if category is not None and not reconstructing:
            self.session.native.create("NoteLabelLink", {"note": self._native, "label": category})
        if not reconstructing:
            self.session._unfinished.append(self)

    def _complete(self) -> None:
        """Whoever writes a note hears of it."""
        me, native = self.session._me, self._native
        if me is not None and all(each["user"] is not me for each in native["recipients"]):
            self.session.native.create("Recipient", {"note": native, "user": me})

    def create_reply(self, content: str, author: Any) -> Any:
        """A new reply; it is committed with the rest."""
        return self.session.create("Note", {"author": author, "content": content, "parent": self})


class CreateNoteMixin:
    """For entities that have notes."""

    def create_note(
        self,
        content: str,
        author: Any,
        recipients: Iterable[Any] | None = None,
        category: Any = None,
        labels: Iterable[Any] | None = None,
    ) -> Any:
        """A new note about this; it is committed with the rest. `recipients` are users and groups; `category` is one label."""
        about: Any = self
        found = list(labels or ())
        if category and found:
            raise ValueError("Both category and labels cannot be set at the same time.")
        if category:
            warnings.warn("category is deprecated; use labels", PendingDeprecationWarning, stacklevel=2)
            found = [category]
        session = about.session
        note = session.create("Note", {"content": content, "author": author, "parent": about})
        for each in recipients or ():
            session.create("Recipient", {"note": note, "resource": each})
        for each in found:
            session.create("NoteLabelLink", {"label": each, "note": note})
        return note
