"""Templates of a session: which there are, what a room lacks of one, and giving it that in one commit."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import Error, InvalidSchema, NotFound
from ..model.schema_diff import SchemaPlan
from ..model.template import Source, Template, load_template
from ..query.request import HistoryRequest
from .schemas import with_effects

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.schema import Attribute
    from ..model.template_rows import Question
    from .session import Session

__all__ = ["applied", "plan_of", "plan_with_effects", "template", "templates"]

_SUFFIX = ".toml"
_SHIPPED = files("recordroom").joinpath("templates")
_AT_ONCE = 5_000


def templates() -> list[Template]:
    """The templates that recordroom comes with, by name."""
    names = sorted(each.name.removesuffix(_SUFFIX) for each in _SHIPPED.iterdir() if each.name.endswith(_SUFFIX))
    return [template(name) for name in names]


def template(source: str | Path | Template) -> Template:
    """A template by its name, or by the path of a file of one's own; InvalidSchema for what is wrong in it.

    A name that a file includes is that of a shipped template, or with `.toml` the path of a file, seen from that file.
    """
    if isinstance(source, Template):
        return source
    return load_template(str(source), _find)


def _find(name: str, includer: str) -> Source:
    if not name.endswith(_SUFFIX):
        return _shipped(name)
    path = Path(includer).parent / name if includer.endswith(_SUFFIX) else Path(name)
    try:
        return Source(name=str(path), text=path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InvalidSchema(f"The template {path} cannot be read: {reason}", where=str(path), reason=reason) from error


def _shipped(name: str) -> Source:
    names = sorted(each.name.removesuffix(_SUFFIX) for each in _SHIPPED.iterdir() if each.name.endswith(_SUFFIX))
    if name not in names:
        from ..model.schema import close_names

        reason = f"there is none of this name; there are {', '.join(names)}, and files that end in {_SUFFIX}"
        message = f"The template {name!r} cannot be read: {reason}"
        raise InvalidSchema(message, where=name, reason=reason, suggestions=close_names(name, names))
    return Source(name=name, text=_SHIPPED.joinpath(name + _SUFFIX).read_text(encoding="utf-8"))


# --- what a room lacks ----------------------------------------------------------------------------


def plan_of(session: Session, template: Template) -> SchemaPlan:
    """Operations that give a session's database what it lacks of a template: types first, then rows."""
    from ..model.evolve import evolve
    from ..model.template_plan import missing_schema
    from ..model.template_rows import missing_rows

    session._learn_schema()
    plan = missing_schema(session.schema, template)
    schema = session.schema
    for operation in plan.operations:
        schema = evolve(schema, operation)
    operations, lines = missing_rows(template, schema, _Room(session))
    return msgspec.structs.replace(
        plan, operations=(*plan.operations, *operations), lines=(*plan.lines, *lines), left_alone=()
    )


def plan_with_effects(session: Session, template: Template) -> SchemaPlan:
    """The plan with lines of what its changes of the schema do to the entities there are."""
    from ..model.operations import SCHEMA_OPERATIONS

    plan = plan_of(session, template)
    changes = tuple(each for each in plan.operations if isinstance(each, SCHEMA_OPERATIONS))
    seen = with_effects(session, msgspec.structs.replace(plan, operations=changes))
    return msgspec.structs.replace(plan, lines=seen.lines)


def applied(session: Session, template: Template, notes: str | None) -> SchemaPlan:
    """Give a session's database what it lacks of a template, in one commit; what was done."""
    plan = plan_of(session, template)
    while not plan.empty:
        try:
            session._committer.send_operations(plan.operations, notes)
        except Error:
            # Somebody else may have given it some of that meanwhile.
            before, plan = plan, plan_of(session, template)
            if plan.lines == before.lines:
                raise
        else:
            session._learn_schema()
            break
    return plan


class _Room:
    """What a template asks of the database of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.schema = session.schema

    def there(self, question: Question) -> list[tuple[bytes, tuple[Any, ...]]]:
        """Those of the entities in question that are there, by their ids or their keys."""
        known = self.schema.attributes(question.type)
        key = question.key if all(name in known and not known[name].many for name in question.key) else ()
        found = self._found(question.type, key, "id", question.ids)
        if key:
            found |= self._found(question.type, key, key[0], {values[0]: None for values in question.values})
        return list(found.items())

    def _found(
        self, type_name: str, key: tuple[str, ...], name: str, raws: Iterable[Any]
    ) -> dict[bytes, tuple[Any, ...]]:
        """Id → values of the key, of those that have one of some values."""
        selected = ", ".join(["id as i", *(f"`{each}` as k{place}" for place, each in enumerate(key))])
        text = f"select {selected} from {type_name} where `{name}` in $values"
        values = _python(self.schema.attribute(type_name, name), list(raws))
        found: dict[bytes, tuple[Any, ...]] = {}
        for start in range(0, len(values), _AT_ONCE):
            for page in self._session.query(text, values=values[start : start + _AT_ONCE]).pages():
                ids, *columns = (page.columns[each] for each in ("i", *(f"k{place}" for place in range(len(key)))))
                found.update((each, tuple(column[row] for column in columns)) for row, each in enumerate(ids))
        return found

    def was_there(self, type: str, id: bytes) -> bool:
        """Whether the history, as far as it is kept, has an entity."""
        request = HistoryRequest(database=self._session.database, type=type, id=id, limit=1)
        try:
            return bool(self._session.transport.history(request))
        except NotFound:
            return False


def _python(attribute: Attribute, raws: list[Any]) -> list[Any]:
    """Raw scalars as parameters of a question."""
    from ..model.ids import show_id
    from ..model.kinds import load_column

    if attribute.kind in ("reference", "uuid"):
        return [show_id(each) for each in raws]
    return load_column(raws, attribute)
