"""A room with accounts for tests of access: short ways to make users, roles, rules and shares, and to look as somebody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recordroom.model.actor import Actor
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, CommitResult, Create, Delete, Link, Operation, Unlink, Update
from recordroom.query.grammar import parse
from recordroom.query.request import HistoryRequest, Members, MembersRequest, Page, QueryRequest, SearchRequest
from recordroom.store.access import Access, access_of
from recordroom.store.catalog import Catalog
from recordroom.store.plans import Plan
from recordroom.store.room import Room
from tests.store.account_types import account_types


class People:
    """A room with the account types. What it makes is committed at once, by its owner."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.commit(*account_types())

    def commit(self, *operations: Operation, database: str = "main", notes: str | None = None) -> CommitResult:
        return self.room.commit(Commit(id=new_id(), database=database, operations=list(operations), notes=notes))

    def make(self, type_name: str, *, database: str = "main", **values: Any) -> bytes:
        entity = new_id()
        columns = {name: [value] for name, value in values.items()}
        self.commit(Create(type=type_name, ids=[entity], columns=columns), database=database)
        return entity

    def change(self, type_name: str, entity: bytes, *, database: str = "main", **values: Any) -> CommitResult:
        columns = {name: [value] for name, value in values.items()}
        return self.commit(Update(type=type_name, ids=[entity], columns=columns), database=database)

    def delete(self, type_name: str, *ids: bytes) -> CommitResult:
        return self.commit(Delete(type=type_name, ids=list(ids)))

    def link(self, type_name: str, attribute: str, source: bytes, *targets: bytes) -> CommitResult:
        pairs = Link(type=type_name, attribute=attribute, sources=[source] * len(targets), targets=list(targets))
        return self.commit(pairs)

    def unlink(self, type_name: str, attribute: str, source: bytes, *targets: bytes) -> CommitResult:
        pairs = Unlink(type=type_name, attribute=attribute, sources=[source] * len(targets), targets=list(targets))
        return self.commit(pairs)

    def role(self, name: str, *rules: dict[str, Any] | tuple[Any, ...]) -> bytes:
        """A role with rules, each (verb, type, condition, attributes) or as many of these as it has."""
        role = self.make("Role", name=name)
        for rule in rules:
            self.rule(role, *rule)
        return role

    def rule(
        self, role: bytes, verb: str, type_name: str, condition: str | None = None, attributes: Sequence[str] = ()
    ) -> bytes:
        names = "[" + ",".join(f'"{name}"' for name in attributes) + "]" if attributes else None
        return self.make("Rule", role=role, verb=verb, type=type_name, condition=condition, attributes=names)

    def user(self, name: str, *roles: bytes, **values: Any) -> bytes:
        user = self.make("User", name=name, **values)
        if roles:
            self.link("User", "roles", user, *roles)
        return user

    def reader(self, name: str, *rules: tuple[Any, ...], **values: Any) -> Seen:
        """A user with a role of their own, and what they see."""
        return self.seen(self.user(name, self.role(f"role of {name}", *rules), **values), name)

    def seen(self, user: bytes, name: str = "somebody", scopes: tuple[str, ...] = ()) -> Seen:
        return Seen(self.room, Actor(name=name, user=user, scopes=scopes))


class Seen:
    """The room through the eyes of one actor."""

    def __init__(self, room: Room, actor: Actor) -> None:
        self.user = actor.user or b""
        self.actor = actor
        self.room = room.acting(actor)

    def access(self) -> Access | None:
        opened = self.room._open

        def plan() -> Plan[Access | None]:
            return (yield from access_of(opened, self.actor))

        return self.room.driver.run(plan())

    def page(self, text: str, **more: Any) -> Page:
        return self.room.query(QueryRequest(database=more.pop("database", "main"), query=parse(text), **more))

    def ids(self, text: str, **more: Any) -> list[bytes]:
        return self.page(text, **more).ids

    def rows(self, text: str, **more: Any) -> list[tuple[Any, ...]]:
        """The values of what is selected, row by row."""
        columns = self.page(text, **more).columns
        return list(zip(*columns.values(), strict=True))

    def column(self, text: str, **more: Any) -> list[Any]:
        """The values of the first thing selected."""
        columns = self.page(text, **more).columns
        return next(iter(columns.values()))

    def count(self, text: str) -> int:
        return self.room.count(QueryRequest(database="main", query=parse(text)))

    def members(self, type_name: str, attribute: str, *owners: bytes, at: int | None = None) -> Members:
        request = MembersRequest(database="main", type=type_name, attribute=attribute, owners=list(owners), at=at)
        return self.room.members(request)

    def history(self, type_name: str, entity: bytes) -> list[tuple[str, str, Any, Any]]:
        """(verb, attribute, before, after) of each change."""
        changes = self.room.history(HistoryRequest(database="main", type=type_name, id=entity))
        return [(each.verb, each.attribute, each.before, each.after) for each in changes]

    def found(self, text: str) -> list[tuple[bytes, dict[str, str]]]:
        hits = self.room.search(SearchRequest(database="main", text=text))
        return [(hit.id, hit.snippets) for hit in hits]


def catalog(room: Room, database: str = "main") -> Catalog:
    return room.driver.run(room._open.current()).by_key[database]
