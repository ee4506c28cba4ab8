"""What an actor may see of entities at revisions: for history and the journal, which tell of changes.

Rules are judged on the state right after a revision. An entity that is there today and cannot be seen today could
not be seen at any time. The history follower must have caught up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .catalog import Catalog
from .compile import seen_statement
from .plans import Fetch, Plan

__all__ = ["Moment", "Sight"]

_AT_ONCE = 5_000


class Moment(NamedTuple):
    """An entity right after a revision."""

    entity: bytes
    revision: int


class Sight:
    """What was found out about moments of entities, by hierarchy: ask for many, then look.

    `want` says what will be looked at, `look` asks the database for all of it.
    """

    def __init__(self, catalog: Catalog) -> None:
        assert catalog.access is not None
        self.catalog = catalog
        self.rules = catalog.access.rules(catalog)
        self._wanted: dict[str, set[Moment]] = {}
        self._seen: dict[str, dict[Moment, frozenset[str]]] = {}

    def want(self, type_name: str, moments: Iterable[Moment]) -> None:
        """These will be looked at."""
        if not self.rules.all_visible(type_name) or self.rules.hiding(type_name):
            self._wanted.setdefault(self.catalog.schema.root(type_name), set()).update(moments)

    @property
    def waiting(self) -> bool:
        """Whether something is wanted."""
        return any(self._wanted.values())

    def look(self) -> Plan[None]:
        """Find out everything that is wanted."""
        for root, wanted in self._wanted.items():
            known = self._seen.setdefault(root, {})
            moments = sorted(wanted.difference(known))
            for start in range(0, len(moments), _AT_ONCE):
                yield from self._look(root, moments[start : start + _AT_ONCE], known)
        self._wanted.clear()

    def _look(self, root: str, moments: Sequence[Moment], known: dict[Moment, frozenset[str]]) -> Plan[None]:
        names = self.rules.hiding(root)
        ready = seen_statement(self.catalog, root, names, moments)
        rows = yield Fetch(ready.sql, ready.parameters, ready.layout.storage)
        for entity, revision, *flags in rows:
            seen = frozenset(name for name, flag in zip(names, flags, strict=True) if flag)
            known[Moment(bytes(entity), revision)] = seen

    def sees(self, type_name: str, moment: Moment, attribute: str = "") -> bool:
        """Whether the entity could be seen at a moment that was wanted, and an attribute of it where one is given."""
        hiding = self.rules.hiding(type_name)
        if self.rules.all_visible(type_name) and not hiding:
            return True
        found = self._seen.get(self.catalog.schema.root(type_name), {}).get(moment)
        return found is not None and (attribute not in hiding or attribute in found)
