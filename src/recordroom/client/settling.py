"""Settling: what a session knows after its commit was applied. Nothing is fetched again.

New entities become rows of a page made of the columns that were sent; edits that were sent become loaded values,
those made meanwhile stay; what the room changed beyond that is forgotten and loads when it is touched. The cost
follows what was sent. Callers hold the session's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..model.operations import Columns, CommitResult
from .entity import Entity
from .facts import TypeFacts
from .packing import CreateBlock, DeleteBlock, Packed, UpdateBlock
from .symbols import NOT_SET
from .work import Batch, NewPage, Pairs, RelationKey

if TYPE_CHECKING:
    from .session import Session

__all__ = ["settle"]

Refused = set[tuple[str, bytes]]  # root type, id


def settle(session: Session, batch: Batch, packed: Packed, result: CommitResult) -> None:
    """Take in the result of a commit; what it refused is given back to the unit of work."""
    _Settlement(session, batch, packed, result).run()


class _Settlement:
    def __init__(self, session: Session, batch: Batch, packed: Packed, result: CommitResult) -> None:
        self.session = session
        self.batch = batch
        self.packed = packed
        self.result = result
        self.revision = result.revision
        self.work = session._work
        self.left = Batch.empty()
        self.refused: Refused = {(self._root(each.type), each.entity) for each in result.refused}

    def run(self) -> None:
        creates = self.packed.creates
        numbers, given = self.result.numbers or [0] * len(creates), self.result.given or [{}] * len(creates)
        for block, first, found in zip(creates, numbers, given, strict=True):
            self._create(block, first, found)
        for update in self.packed.updates:
            self._update(update)
        for delete in self.packed.deletes:
            self._delete(delete)
        self._relations()
        self._stale()
        self._rebase()
        self.work.done()
        if self.left:
            self.work.give_back(self.left)

    def _root(self, type_name: str) -> str:
        return self.session._identity.facts(type_name).root

    def _is_refused(self, entity: Entity) -> bool:
        return bool(self.refused) and (entity._facts.root, entity._id) in self.refused

    # --- creates ---------------------------------------------------------------------------------

    def _create(self, block: CreateBlock, first: int, given: Columns) -> None:
        page, facts = block.page, self.session._identity.facts(block.operation.type)
        rows = self._kept_rows(block, facts)
        count = len(page.ids)
        columns, sent = block.columns, dict(block.columns)
        for name, default in facts.defaults.items():
            if name not in columns and name not in facts.given:
                columns[name] = [default] * count
        for name in facts.given:
            _take_given(columns, name, given.get(name), rows, count)
        columns["number"] = _spread(list(range(first, first + len(rows))), rows, count)
        columns["revision"] = [self.revision] * count
        columns["created_revision"] = [self.revision] * count
        page.columns = columns
        page.ready = {name: column for name, column in columns.items() if name in page.plain}
        page.new = page.sent = False
        self._clear_new_edits(page, sent)
        relations = self.session._relations
        for name, key in facts.mirrored.items():
            if name in columns:
                root = self._root(facts.references[name].target)
                relations.settle_references(key, sent.get(name, ()), root)
                if page.bulk or name in given:
                    relations.settle_bulk(key, columns[name], root)
        known = self.session._identity.map(facts.root)
        for row in page.gone:
            entity = known.get(page.ids[row])
            if entity is not None and entity._page is page:
                del known[page.ids[row]]

    def _kept_rows(self, block: CreateBlock, facts: TypeFacts) -> Sequence[int]:
        """The rows that were created; entities that were refused move to a new page, to be sent again."""
        if not self.refused:
            return block.rows
        page = block.page
        again = [row for row in block.rows if (facts.root, page.ids[row]) in self.refused]
        if not again:
            return block.rows
        back = NewPage(page.type, [], {}, page.plain)
        for row in again:
            entity = self.session._identity.at(page, row)
            if page.bulk:
                entity._edits = {n: raw for n, column in block.columns.items() if (raw := column[row]) is not NOT_SET}
            back.ids.append(entity._id)
            back.entities.append(entity)
            page.gone.add(row)
            entity._move(back, len(back.entities) - 1)
        self.left.new.append(back)
        gone = set(again)
        return [row for row in block.rows if row not in gone]

    def _clear_new_edits(self, page: NewPage, sent: Columns) -> None:
        """The values of new entities are in the page now; what was set meanwhile stays an edit."""
        entities, page.entities = page.entities, []
        if not self.work.now.modified and not self.work.silent:
            for entity in entities:
                if entity._page is page:
                    entity._edits = None
            return
        for entity in entities:
            if entity._page is page and entity._edits:
                row = entity._row
                edits = {n: raw for n, raw in entity._edits.items() if n not in sent or sent[n][row] != raw}
                entity._edits = edits or None

    # --- updates ---------------------------------------------------------------------------------

    def _update(self, block: UpdateBlock) -> None:
        entities, columns = block.entities, block.operation.columns
        if self.refused and any(map(self._is_refused, entities)):
            places = [place for place, entity in enumerate(entities) if not self._is_refused(entity)]
            self._keep_modified([entity for entity in entities if self._is_refused(entity)])
            entities = [entities[place] for place in places]
            columns = {name: [column[place] for place in places] for name, column in columns.items()}
        if not entities:
            return
        facts = entities[0]._facts
        self._drop_sent_edits(entities, columns)
        behind = self._behind(entities)
        if len(behind) < len(entities):
            columns = {name: [column[place] for place in behind] for name, column in columns.items()}
            entities = [entities[place] for place in behind]
        self._store(entities, facts, columns)
        for name, key in facts.mirrored.items():
            if name in columns:
                root = self._root(facts.references[name].target)
                self.session._relations.settle_references(key, columns[name], root)

    def _behind(self, entities: list[Entity]) -> list[int]:
        """Places of those whose page has values of before the commit; a query may have brought newer ones meanwhile.

        A stub has none, and stays one: it loads as a whole when it is touched.
        """
        revision = self.revision
        found = []
        for place, entity in enumerate(entities):
            revisions = entity._page.columns.get("revision")
            if revisions is not None:
                known = revisions[entity._row]
                if known is not NOT_SET and known < revision:
                    found.append(place)
        return found

    def _store(self, entities: list[Entity], facts: TypeFacts, columns: dict[str, list[Any]]) -> None:
        """Make what was sent the loaded values."""
        pages = {id(entity._page): entity._page for entity in entities}
        for page in pages.values():
            for name in columns:
                page.column(name)
        for name, column in columns.items():
            if name in facts.plain:
                for entity, raw in zip(entities, column, strict=True):
                    entity._page.columns[name][entity._row] = raw
            else:
                for entity, raw in zip(entities, column, strict=True):
                    entity._page.put(name, entity._row, raw)
        revision = self.revision
        for entity in entities:
            entity._page.columns["revision"][entity._row] = revision
        names = [name for name in facts.volatile if any(name in page.columns for page in pages.values())]
        if names:
            for entity in entities:
                entity._page.forget(entity._row, names)

    def _drop_sent_edits(self, entities: list[Entity], columns: dict[str, list[Any]]) -> None:
        """Edits that were sent are no longer local; what was set meanwhile is."""
        if not self.work.now.modified and not self.work.silent and len(self.batch.rebased) == 0:
            for entity in entities:
                entity._edits = None
            return
        for name, column in columns.items():
            for entity, raw in zip(entities, column, strict=True):
                edits = entity._edits
                if edits is not None and name in edits and edits[name] == raw:
                    del edits[name]
        for entity in entities:
            if not entity._edits:
                entity._edits = None

    def _keep_modified(self, entities: Iterable[Entity]) -> None:
        for entity in entities:
            self.left.modified[entity] = self.batch.modified[entity]
            if entity in self.batch.rebased:
                self.left.rebased[entity] = self.batch.rebased[entity]

    # --- deletes ---------------------------------------------------------------------------------

    def _delete(self, block: DeleteBlock) -> None:
        for entity in block.entities:
            if self._is_refused(entity):
                self.left.deleted[entity] = self.batch.deleted[entity]
            else:
                self._gone(entity)

    def _gone(self, entity: Entity) -> None:
        page, row = entity._place()
        page.gone.add(row)
        entity._edits = None
        self.session._relations.deletions += 1
        self.work.now.modified.pop(entity, None)
        self.work.now.deleted.pop(entity, None)

    # --- relations -------------------------------------------------------------------------------

    def _relations(self) -> None:
        relations = self.session._relations
        for key, pairs in self.batch.links.items():
            relations.settle_links(key, self._kept_pairs(key, pairs) if self.refused else pairs)
        for key, entries in self.batch.keys.items():
            kept = entries
            if self.refused:
                kept = {owner: values for owner, values in entries.items() if not self._is_refused(owner)}
                refused = {owner: values for owner, values in entries.items() if owner not in kept}
                if refused:
                    self.left.keys[key] = refused
            relations.settle_keys(key, kept)

    def _kept_pairs(self, key: RelationKey, pairs: Pairs) -> list[tuple[Entity, Entity, Any]]:
        kept, refused = [], Pairs()
        for source, target, note in pairs:
            if self._is_refused(source) or self._is_refused(target):
                refused.put(source, target, note)
            else:
                kept.append((source, target, note))
        if refused.forward:
            self.left.links[key] = refused
        return kept

    # --- what the room changed beyond what was asked ---------------------------------------------

    def _stale(self) -> None:
        for type_name, each in self.result.deleted:
            entity = self.session._identity.find(self._root(type_name), each)
            if entity is not None:
                self._gone(entity)
        for type_name, each in self.result.stale:
            entity = self.session._identity.find(self._root(type_name), each)
            if entity is not None:
                page, row = entity._place()
                if page.revision_of(row) <= self.revision:
                    page.forget(row, [name for name in page.columns if name != "revision"])
                    if "revision" in page.columns:
                        page.columns["revision"][row] = self.revision
                self.session._relations.expire(entity)

    def _rebase(self) -> None:
        """What was edited or deleted while this commit was on its way is based on its outcome."""
        now = self.work.now
        if not now.modified and not now.deleted:
            return
        stale = {(self._root(type_name), each) for type_name, each in self.result.stale}
        pages = {id(block.page) for block in self.packed.creates}
        sent_names = {
            entity: update.operation.columns.keys() for update in self.packed.updates for entity in update.entities
        }
        for changed in (now.modified, now.deleted):
            for entity in changed:
                if id(entity._page) not in pages and entity not in sent_names:
                    continue
                if (entity._facts.root, entity._id) not in stale:
                    changed[entity] = self.revision
                    now.rebased.pop(entity, None)
                elif changed is now.modified:
                    # Others changed it too: only what this commit set itself is known to be based on it.
                    names = sent_names.get(entity, ())
                    rebased = {name: self.revision for name in entity._edits or () if name in names}
                    now.rebased.setdefault(entity, {}).update(rebased)


def _take_given(columns: Columns, name: str, found: list[Any] | None, rows: Sequence[int], count: int) -> None:
    """Put what the room gave into a column; where it does not say, what was left without a value is not known."""
    if found is not None:
        columns[name] = _spread(found * len(rows) if len(found) < len(rows) else found, rows, count)
    elif name in columns:
        columns[name] = [NOT_SET if raw is None else raw for raw in columns[name]]


def _spread(values: list[Any], rows: Sequence[int], count: int) -> list[Any]:
    """`values` at their rows, NOT_SET elsewhere."""
    if len(values) == count:
        return values
    column: list[Any] = [NOT_SET] * count
    for row, value in zip(rows, values, strict=True):
        column[row] = value
    return column
