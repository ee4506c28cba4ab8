"""A desk to work at in tests of the store: a room with a schema, and short ways to commit and to look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from recordroom.model.actor import Actor
from recordroom.model.ids import new_id, new_ids
from recordroom.model.kinds import Storage
from recordroom.model.operations import Commit, CommitResult, Create, DefineType, Operation
from recordroom.model.schema import Attribute, EntityType
from recordroom.query.request import Change, HistoryRequest
from recordroom.store.catalog import Catalog, load_catalogs
from recordroom.store.followers import catch_up
from recordroom.store.layout import layout_of, roots
from recordroom.store.plans import Fetch, Plan, Run
from recordroom.store.relations import relation_of, relations_of
from recordroom.store.room import Room
from recordroom.store.sqltext import marked, quoted
from recordroom.store.tables import past
from recordroom.store.verify import Report, check_plan


def a(name: str, kind: str = "text", **facts: Any) -> Attribute:
    return Attribute(name=name, kind=kind, **facts)


def ref(name: str, target: str, **facts: Any) -> Attribute:
    return Attribute(name=name, kind="reference", target=target, **facts)


STUDIO = (
    EntityType(name="Tag", attributes=(a("name", unique=True),)),
    EntityType(name="Project", attributes=(a("name", required=True), a("code", unique=True))),
    EntityType(
        name="Asset",
        attributes=(a("name"), ref("project", "Project", on_delete="cascade", reverse="assets")),
        unique=(("project", "name"),),
    ),
    EntityType(
        name="Shot",
        extends="Asset",
        attributes=(a("frames", "integer", min=0), a("slate"), a("camera", unique=True)),
        unique=(("slate",),),
    ),
    EntityType(name="Prop", extends="Asset", attributes=(a("material"),)),
    EntityType(name="Thing", abstract=True, attributes=(a("label"),)),
    EntityType(name="Chair", extends="Thing", attributes=(a("legs", "integer"),)),
    EntityType(
        name="Task",
        attributes=(
            a("name"),
            a("text", "long_text"),
            a("status", "choice", choices=("open", "busy", "done"), default="open"),
            a("bid", "integer"),
            a("rate", "number"),
            a("price", "decimal"),
            a("hidden", "boolean", default=False),
            a("due", "datetime"),
            a("data", "json"),
            a("words", multi=True),
            a("serial", immutable=True),
            a("double", "number", computed="bid * 2"),
            ref("asset", "Asset", on_delete="restrict", reverse="tasks"),
            ref("shot", "Shot"),
            ref("parent", "Task", on_delete="cascade", reverse="subtasks"),
            ref("lead", "Task", required=False),
            a("tags", "links", target="Tag", reverse="tasks", notes=True),
            a("friends", "links", target="Task"),
            a("meta", "mapping"),
            a("counts", "mapping", of="integer"),
        ),
    ),
)


class Desk:
    """A room with the schema `STUDIO`, worked at directly, without a session."""

    def __init__(self, room: Room, types: Sequence[EntityType] = STUDIO) -> None:
        self.room = room
        if types:
            self.commit(*map(DefineType, types))

    # --- doing ---

    def commit(self, *operations: Operation, room: Room | None = None, **facts: Any) -> CommitResult:
        commit = Commit(**{"id": new_id(), "operations": list(operations), **facts})
        return (room or self.room).commit(commit)

    def act_as(self, name: str) -> None:
        """Commit as somebody else from now on."""
        self.room = self.room.acting(Actor(name=name))

    def create(self, type_name: str, **columns: list[Any]) -> list[bytes]:
        """New entities, committed; their ids."""
        ids = new_ids(len(next(iter(columns.values()))))
        self.commit(Create(type_name, ids, columns))
        return ids

    def create_one(self, type_name: str, **values: Any) -> bytes:
        columns = {name: [value] for name, value in values.items()}
        ids = new_ids(1)
        self.commit(Create(type_name, ids, columns))
        return ids[0]

    def catch_up(self) -> None:
        def plan() -> Plan[bool]:
            catalogs = yield from load_catalogs(self.room.driver.dialect, None)
            return (yield from catch_up(catalogs.by_key))

        while self.room.driver.write(plan()):
            pass

    def sql(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement behind the engine's back; its rows."""
        driver = self.room.driver

        def plan() -> Plan[list[tuple[Any, ...]]]:
            return (yield Fetch(marked(driver.dialect, text), parameters))

        return driver.write(plan())

    def wipe(self) -> None:
        """Take out everything but the schema, journal and past included."""
        catalog = self.catalog
        tables = [name for root in roots(catalog.schema) for name in _tables_of(catalog, root)]
        relations = [relation.table for relation in relations_of(catalog)]
        words = ["rr_search_words"] if self.room.driver.dialect == "sqlite" else []

        names = [*relations, *map(past, relations), *tables, *words, "rr_search", "rr_journal", "rr_counter"]

        def plan() -> Plan[None]:
            if self.room.driver.dialect == "postgresql":
                yield Run(f"TRUNCATE {', '.join(map(quoted, names))}")
            else:
                for name in names:
                    yield Run(f"DELETE FROM {quoted(name)}")
            yield Run("UPDATE rr_room SET pruned = revision")

        self.room.driver.write(plan())

    # --- looking ---

    @property
    def catalog(self) -> Catalog:
        return self.room.driver.run(load_catalogs(self.room.driver.dialect, None)).by_key["main"]

    @property
    def revision(self) -> int:
        return int(self.sql("SELECT revision FROM rr_room")[0][0])

    def rows(self, type_name: str, *names: str) -> dict[bytes, Any]:
        """Values by id of every entity of a type; of one attribute bare, of several a tuple."""
        return {row[0]: row[1] if len(names) == 1 else row[1:] for row in self._rows(type_name, names, "")}

    def past(self, type_name: str, *names: str) -> list[tuple[Any, ...]]:
        """(id, *values, revision, until) of replaced rows, oldest first."""
        self.catch_up()
        return self._rows(type_name, (*names, "revision"), "until")

    def _rows(self, type_name: str, names: Sequence[str], until: str) -> list[tuple[Any, ...]]:
        layout = layout_of(self.catalog, type_name)
        columns = ["id", *(layout.columns[name] for name in names)]
        storage = layout.storage_of(columns)
        text = ", ".join(map(quoted, [*columns, *([until] if until else [])]))
        condition = f" WHERE entity_type = '{type_name}'" if layout.typed and type_name != layout.root else ""
        order = until or "id"
        sql = f"SELECT {text} FROM {quoted(layout.past if until else layout.table)}{condition} ORDER BY {order}, id"
        if until:
            storage = (*storage, Storage.INTEGER)

        def plan() -> Plan[list[tuple[Any, ...]]]:
            return (yield Fetch(sql, (), storage))

        return self.room.driver.run(plan())

    def entries(self, type_name: str, attribute: str) -> dict[tuple[Any, Any], Any]:
        """Links or mapping entries: note or value by (source, target) or (owner, key)."""
        relation = relation_of(self.catalog, type_name, attribute)
        names = ", ".join(relation.columns)

        def plan() -> Plan[list[tuple[Any, ...]]]:
            return (yield Fetch(f"SELECT {names} FROM {quoted(relation.table)}", (), relation.storage))

        return {(row[0], row[1]): row[2] for row in self.room.driver.run(plan())}

    def history(self, type_name: str, entity: bytes, **facts: Any) -> list[Change]:
        return self.room.history(HistoryRequest(database="main", type=type_name, id=entity, **facts))

    def told(self, type_name: str, entity: bytes, **facts: Any) -> list[tuple[Any, ...]]:
        """History as (revision, verb, attribute, before, after)."""
        changes = self.history(type_name, entity, **facts)
        return [(each.revision, each.verb, each.attribute, each.before, each.after) for each in changes]

    def report(self) -> Report:
        """What checking the room finds, after followers caught up."""
        self.catch_up()

        def plan() -> Plan[Report]:
            catalogs = yield from load_catalogs(self.room.driver.dialect, None)
            return (yield from check_plan(catalogs.by_key, self.room.driver.dialect))

        return self.room.driver.run(plan())


def _tables_of(catalog: Catalog, root: str) -> tuple[str, str]:
    layout = layout_of(catalog, root)
    return layout.table, layout.past


def working(room: Room, types: Sequence[EntityType] = STUDIO) -> Iterator[Desk]:
    """A desk; at the end its room must be in order."""
    desk = Desk(room, types)
    yield desk
    assert [str(problem) for problem in desk.report()] == []
