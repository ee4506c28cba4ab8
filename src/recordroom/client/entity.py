"""Entities: mappings from attribute names to values, as light views over pages of columns.

An entity is an id, a page and a row, a small dict of local edits (raw scalars) or None, and its open
collections or None. Each session makes a class per entity type on first use; the class stands for the
type in queries (`Task.project.name == "x"`) and in `isinstance`. Reading what is loaded takes no lock.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

import msgspec

from ..model.ids import show_id
from ..model.schema import Schema
from ..query.expressions import EntityClass
from .pages import MOVING, Page
from .symbols import NOT_SET

if TYPE_CHECKING:
    from .collections import Relation
    from .facts import TypeFacts
    from .session import Session

__all__ = ["Entity", "make_class"]


class _EntityClass(EntityClass, msgspec.StructMeta):
    """Structs, because they are made from C: a query makes ten thousand entities at a time."""


class Entity(msgspec.Struct, MutableMapping[str, Any], metaclass=_EntityClass, eq=False):
    """One thing of a type. Read and write attributes by name: `task["status"] = "done"`.

    Reading an attribute that is not loaded loads it for all entities of the same page at once. Values that
    are set stay local until `session.commit()`; `del task["status"]` forgets the local value.
    Equality and hash go by type and id.
    """

    _id: bytes
    _page: Page
    _row: int
    _edits: dict[str, Any] | None = None
    _open: dict[str, Relation] | None = None

    _session: ClassVar[Session]
    _facts: ClassVar[TypeFacts]
    _schema: ClassVar[Schema]
    _type: ClassVar[str]

    def __getitem__(self, name: str) -> Any:
        if self._edits is None:
            page = self._page
            column = page.ready.get(name)
            if column is not None:
                # Another thread may be moving the entity: the row belongs to the page if the page is still the same.
                try:
                    value = column[self._row]
                except IndexError:
                    return self._read(name)
                if value is not NOT_SET and self._page is page:
                    return value
        return self._read(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._session._editor.set(self, name, value)

    def __delitem__(self, name: str) -> None:
        self._session._editor.forget(self, self._facts.attribute(name).name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts.attributes)

    def __len__(self) -> int:
        return len(self._facts.attributes)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return name in self._facts.attributes

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Entity):
            return NotImplemented
        return self._id == other._id and self._facts.root == other._facts.root

    def __hash__(self) -> int:
        return hash(self._id)

    if not TYPE_CHECKING:  # A type checker finds such mistakes by itself, unless it sees this.

        def __getattr__(self, name: str) -> NoReturn:
            known = not name.startswith("_") and name in self._facts.attributes
            hint = f'; an attribute is read as entity["{name}"]' if known else ""
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}")

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._facts.attributes)

    def __copy__(self) -> Entity:
        return self

    def __deepcopy__(self, memo: Any) -> Entity:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an entity belongs to its session and cannot be pickled; session.encode(entity) makes JSON of it"
        )

    def __repr__(self) -> str:
        shown = _peek(self, self._facts.schema.display(self._type))
        return f"<{self._type} {show_id(self._id)}{'' if shown in (None, NOT_SET) else f' {shown!r}'}>"

    def items(self) -> ItemsView[str, Any]:
        """(name, value) of every attribute; those not loaded are loaded first, in one request."""
        self._session._loader.load_all(self)
        return ItemsView(self)

    def values(self) -> ValuesView[Any]:
        """The value of every attribute; those not loaded are loaded first, in one request."""
        self._session._loader.load_all(self)
        return ValuesView(self)

    def clear(self) -> None:
        """Forget every local value."""
        for name in tuple(self._edits or ()):
            del self[name]

    def popitem(self) -> NoReturn:
        """TypeError: attributes cannot be taken out of an entity."""
        raise TypeError("the attributes of an entity are those of its type; del entity[name] forgets a local value")

    def _read(self, name: str) -> Any:
        """The value of an attribute that is not simply there: edited, converted, related or not loaded."""
        edits = self._edits
        if edits is not None:
            raw = edits.get(name, NOT_SET)
            if raw is not NOT_SET:
                return self._session._loader.shown(self, name, raw)
        if name == "id":
            return show_id(self._id)
        if name == "entity_type":
            return self._type
        return self._session._loader.read(self, name)

    def _place(self) -> tuple[Page, int]:
        """The page and the row, as a pair that belongs together."""
        while True:
            page = self._page
            row = self._row
            if page is not MOVING and self._page is page:
                return page, row

    def _move(self, page: Page, row: int) -> None:
        """Become a row of another page. Callers hold the session's lock."""
        self._page = MOVING
        self._row = row
        self._page = page


def _peek(entity: Entity, name: str) -> Any:
    """What is known of an attribute without asking anybody."""
    edits = entity._edits
    if edits is not None and name in edits:
        raw = edits[name]
    else:
        page, row = entity._place()
        raw = page.raw(name, row)
    load = entity._facts.loaders.get(name)
    return raw if load is None or raw is None or raw is NOT_SET else load(raw)


def make_class(
    session: Session, facts: TypeFacts, base: type[Entity], extension: tuple[type, ...] = ()
) -> type[Entity]:
    """The class of one entity type for one session; `extension` is what plugins give to it."""
    namespace = {
        "__module__": __name__,
        "__doc__": facts.schema[facts.name].description or None,
        "__qualname__": facts.name,
    }
    made = cast("type[Entity]", _EntityClass(facts.name, (*extension, base), namespace, eq=False))
    made._session = session
    learn(made, facts)
    return made


def learn(cls: type[Entity], facts: TypeFacts) -> None:
    """Make a class follow a schema (again, where the schema changed)."""
    cls._facts = facts
    cls._schema = facts.schema
    cls._type = facts.name
