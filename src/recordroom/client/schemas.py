"""Schemas as documents: what they would change in a room, and changing it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import InvalidSchema, RoomReadOnly, shown
from ..query.request import SchemaEffect

if TYPE_CHECKING:
    from ..model.schema_diff import SchemaPlan
    from ..model.schema_file import SchemaDocument
    from .session import Session

__all__ = ["document_of", "plan_of"]


def document_of(source: str | Path | SchemaDocument) -> SchemaDocument:
    """The document that a TOML text, the path of a TOML file, or a document is. InvalidSchema where it is none of them."""
    from ..model.schema_file import SchemaDocument, load_text

    if isinstance(source, str) and source.endswith(".toml") and "\n" not in source:
        source = Path(source)
    if isinstance(source, Path):
        return load_text(_text_of(source), where=str(source))
    if isinstance(source, str):
        return load_text(source)
    if not isinstance(source, SchemaDocument):
        raise InvalidSchema(
            where="schema", reason=f"expected TOML text or the path of a TOML file, got {shown(source)}"
        )
    return source


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidSchema(where=str(path), reason=f"it cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise InvalidSchema(
            where=ascii(str(path)), reason="it is no text in UTF-8, or no file can have this name"
        ) from error


def plan_of(session: Session, document: SchemaDocument, *, allow_drop: bool) -> SchemaPlan:
    """What makes the types of a session's database those of a document."""
    from ..model.schema_diff import diff

    session._learn_schema()
    return diff(session.schema, document, allow_drop=allow_drop)


def with_effects(session: Session, plan: SchemaPlan) -> SchemaPlan:
    """The plan with lines of what it does to the entities there are, as far as the room can be asked for writing."""
    if plan.empty:
        return plan
    try:
        effects = session.transport.preview(session.database, plan.operations)
    except RoomReadOnly:
        return plan
    return msgspec.structs.replace(plan, lines=(*plan.lines, *_lines(effects)))


def _lines(effects: list[SchemaEffect]) -> Iterator[str]:
    for effect in effects:
        if effect.refusal:
            yield f"! refused: {effect.refusal}"
        elif effect.rows:
            yield f"! {effect.rows:,} {effect.what}"
