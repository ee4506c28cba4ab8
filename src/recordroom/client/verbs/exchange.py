"""What leaves a session and comes back: files of rows, JSON, and a session itself, for another process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import InvalidValue
from .. import encoding
from ..editing import type_name
from ..entity import Entity
from ..results import QueryResult
from .base import Verbs

if TYPE_CHECKING:
    from ..rows import ExportReport, ImportReport
    from ..session import Session

__all__ = ["ExchangeVerbs"]


class ExchangeVerbs(Verbs):
    """Rows, JSON and other processes."""

    def import_rows(self, type: str | type[Entity], source: Any, **options: Any) -> ImportReport:
        """Create or, with `key`, update entities from a CSV, JSON lines, Parquet or Arrow file; what was done.

        As `recordroom.client.rows.import_rows`, which describes the options: key, mapping, references, on_error …
        """
        from ..rows import import_rows

        return import_rows(self._open(), type_name(type), source, **options)

    def export_rows(self, question: Any, target: Any, **options: Any) -> ExportReport:
        """Write the rows of a query or result to a CSV, JSON lines, Parquet or Arrow file, in bounded memory.

        As `recordroom.client.rows.export_rows`, which describes the options: format, options, progress.
        """
        from ..rows import export_rows

        session = self._open()
        result = question if isinstance(question, QueryResult) else session.query(question)
        return export_rows(result, target, **options)

    def reference(self, entity: Entity) -> dict[str, str]:
        """What identifies an entity in JSON: its type and its id."""
        return encoding.reference(entity)

    def encode(self, data: Any, strategy: encoding.Strategy = "set_only") -> str:
        """JSON text of entities, or of lists and dicts with entities in them.

        "all" loads every attribute, "set_only" takes what is loaded or set, "modified_only" local edits,
        "persisted_only" what the room said.
        """
        return encoding.encode(self._open(), data, strategy)

    def decode(self, text: str) -> Any:
        """What `encode` made, with entities of this session."""
        return encoding.decode(self._open(), text)

    def serialize(self, *, api_key: bool = False) -> str:
        """A text from which `Session.deserialize` makes another session, in another process too.

        It holds the access token of who logged in, which lasts for minutes, and never their refresh token. An API key goes
        with it only with `api_key=True`; else the other process finds it in its environment or a profile. What is not
        committed stays here.
        """
        from ..serializing import serialize

        session = self._open()
        if session._at is not None:
            expected = f"the session that this one was made of, and .at({session._at}) there"
            raise InvalidValue(type="Session", attribute="serialize", value=session._at, expected=expected)
        return serialize(session, api_key=api_key)

    @staticmethod
    def deserialize(text: str, **settings: Any) -> Session:
        """A session from the text of `serialize`. `settings` are those of `connect`: api_key, mode, ca_certs …"""
        from ..serializing import deserialize

        return deserialize(text, settings)
