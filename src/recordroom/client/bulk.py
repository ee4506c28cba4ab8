"""Many new entities at once, from columns to columns: no object is made before someone touches one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from ..errors import Error, InvalidValue, NotUnique, shown
from ..model.ids import as_id, new_ids, show_id
from ..model.kinds import KINDS, WrongValue
from ..model.schema import Attribute
from .entity import Entity
from .facts import TypeFacts
from .pages import Page
from .pause import paused_collector
from .symbols import NOT_SET
from .work import NewPage

if TYPE_CHECKING:
    from .session import Session

__all__ = ["NewEntities", "create_many"]


class NewEntities(Sequence[Entity]):
    """The entities that `create_many` made, in the order of its rows; each becomes an object when it is touched."""

    def __init__(self, session: Session, page: Page) -> None:
        self._session = session
        self._page = page

    def __len__(self) -> int:
        return len(self._page.ids)

    @overload
    def __getitem__(self, index: int) -> Entity: ...
    @overload
    def __getitem__(self, index: slice) -> list[Entity]: ...
    def __getitem__(self, index: int | slice) -> Entity | list[Entity]:
        rows = range(len(self._page.ids))[index]
        identity, page = self._session._identity, self._page
        with self._session._lock:
            if isinstance(rows, range):
                return [identity.at(page, row) for row in rows]
            return identity.at(page, rows)

    def __repr__(self) -> str:
        return f"<{len(self)} new {self._page.type}>"


def create_many(session: Session, type_name: str, data: Any) -> NewEntities:
    """Record new entities given as columns, as a frame or as a list of mappings."""
    facts = session._facts(type_name)
    with paused_collector:
        given = _columns(data, facts)
        facts = session._facts_having(facts, given)
        count = len(next(iter(given.values()), ()))
        columns: dict[str, list[Any]] = {}
        related: dict[str, list[Any]] = {}
        ids: list[bytes] | None = None
        for name, values in given.items():
            if name == "id":
                ids = _own_ids(session, facts, values)
            elif name in facts.many:
                related[name] = values
            else:
                columns[name] = _raw_column(session, facts, name, values)
        page = NewPage(facts.name, new_ids(count) if ids is None else ids, columns, facts.plain)
        with session._lock:
            _record(session, facts, page)
    made = NewEntities(session, page)
    for name, members in related.items():
        for row, value in enumerate(members):
            if value is not None and value is not NOT_SET:
                made[row][name] = value
    return made


def _record(session: Session, facts: TypeFacts, page: NewPage) -> None:
    session._editor.allow_create(facts)
    if not page.ids:
        return
    identity = session._identity
    if all(map(bytes.__lt__, page.ids, page.ids[1:])):
        identity.watch(page)
    else:
        # Ids in no order cannot be found by bisection: these get their objects at once.
        for row in range(len(page.ids)):
            identity.at(page, row)
    if session._records():
        session._work.create(page)


def _columns(data: Any, facts: TypeFacts) -> dict[str, list[Any]]:
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        for row, each in enumerate(data):
            if not isinstance(each, Mapping):
                raise InvalidValue(type=facts.name, attribute=f"row {row}", value=each, expected="a mapping")
        names = dict.fromkeys(name for each in data for name in each)
        return {name: [each.get(name, NOT_SET) for each in data] for name in names}
    from .frames import columns_of

    return columns_of(data, facts.attributes)


def _own_ids(session: Session, facts: TypeFacts, values: Iterable[Any]) -> list[bytes]:
    ids: list[bytes] = []
    seen: set[bytes] = set()
    for row, value in enumerate(values):
        try:
            each = as_id(value)
        except ValueError as error:
            raise _wrong(facts, "id", row, value, str(error)) from None
        if each in seen or session._identity.find(facts.root, each) is not None:
            shown = show_id(each)
            raise NotUnique(type=facts.name, attributes=("id",), values=(shown,), entity=shown, existing=shown)
        seen.add(each)
        ids.append(each)
    return ids


def _raw_column(session: Session, facts: TypeFacts, name: str, values: Sequence[Any]) -> list[Any]:
    """A column of raw scalars; the first wrong value is named with its row."""
    attribute = session._attribute_of(facts, name)
    check = facts.checkers.get(name)
    if check is None:
        session._editor.raw(facts, name, None, None)  # It cannot be set: this raises what says so.
    assert check is not None
    if _is_raw_already(attribute, values):
        return list(values)
    default = facts.defaults.get(name)
    try:
        return [default if value is NOT_SET else check(value) for value in values]
    except (WrongValue, Error):
        for row, value in enumerate(values):
            try:
                check(value if value is not NOT_SET else None)
            except WrongValue as error:
                raise _wrong(facts, name, row, value, str(error)) from None
            except Error as error:
                error.facts["row"] = row
                raise
        raise


def _is_raw_already(attribute: Attribute, values: Sequence[Any]) -> bool:
    kind = KINDS[attribute.kind]
    return kind.plain and not attribute.multi and kind.wrong_at(values, attribute) is None


def _wrong(facts: TypeFacts, name: str, row: int, value: Any, expected: str) -> InvalidValue:
    return InvalidValue(
        f"{facts.name}.{name}, row {row}: expected {expected}, got {shown(value)}",
        type=facts.name, attribute=name, row=row, value=value, expected=expected,
    )  # fmt: skip
