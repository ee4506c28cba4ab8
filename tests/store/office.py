"""An office to work at in tests of access: a room with accounts, work to do, and people with rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from recordroom.model.actor import Actor
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import Commit, CommitResult, Create, DefineType, Link, Operation
from recordroom.model.schema import EntityType
from recordroom.store.room import Room
from tests.store.account_types import account_types
from tests.store.desk import Desk, a, ref

WORK = (
    EntityType(name="Tag", attributes=(a("name"), a("secret", "boolean", default=False))),
    EntityType(
        name="Asset",
        attributes=(
            a("name"),
            a("code", unique=True),
            a("open", "boolean", default=True),
            ref("project", "Project", on_delete="cascade", reverse="assets"),
            a("cost", "integer"),
        ),
    ),
    EntityType(name="Shot", extends="Asset", attributes=(a("frames", "integer"),)),
    EntityType(
        name="Task",
        attributes=(
            a("name"),
            a("open", "boolean", default=True),
            a("bid", "integer"),
            a("salary", "integer"),
            ref("asset", "Asset", on_delete="restrict", reverse="tasks"),
            ref("parent", "Task", on_delete="cascade", reverse="subtasks"),
            ref("lead", "Task", on_delete="nullify"),
            ref("worker", "User", on_delete="nullify"),
            a("tags", "links", target="Tag", reverse="tasks", notes=True),
            a("meta", "mapping"),
        ),
    ),
)


class Rule:
    """What a rule says, short."""

    def __init__(self, verb: str, type_name: str, condition: str | None = None, *attributes: str) -> None:
        self.values = (verb, type_name, condition, attributes)


def every(type_name: str, condition: str | None = None, verbs: str = "read create update delete") -> list[Rule]:
    """A rule for each verb."""
    return [Rule(verb, type_name, condition) for verb in verbs.split()]


class Office(Desk):
    """A desk in a room with accounts."""

    def __init__(self, room: Room) -> None:
        super().__init__(room, ())
        self.commit(*account_types(), *map(DefineType, WORK))

    def role(self, name: str, *rules: Rule) -> bytes:
        """A new role with its rules."""
        role = new_id()
        columns: dict[str, list[Any]] = {
            "role": [role] * len(rules),
            "verb": [rule.values[0] for rule in rules],
            "type": [rule.values[1] for rule in rules],
            "condition": [rule.values[2] for rule in rules],
            "attributes": [_list(rule.values[3]) for rule in rules],
        }
        self.commit(Create("Role", [role], {"name": [name]}), Create("Rule", new_ids(len(rules)), columns))
        return role

    def user(self, name: str, *rules: Rule, roles: Sequence[bytes] = (), scopes: tuple[str, ...] = ()) -> Worker:
        """A new user with a role of these rules, and other roles."""
        user = self.create_one("User", name=name)
        given = [*roles, *([self.role(f"role of {name}", *rules)] if rules else [])]
        if given:
            self.commit(Link("User", "roles", [user] * len(given), given))
        return Worker(self, Actor(name=name, user=user, scopes=scopes))


class Worker:
    """Somebody who works in an office."""

    def __init__(self, office: Office, actor: Actor) -> None:
        assert actor.user is not None
        self.id = actor.user
        self.actor = actor
        self.room = office.room.acting(actor)

    def commit(self, *operations: Operation, **facts: Any) -> CommitResult:
        return self.room.commit(Commit(**{"id": new_id(), "operations": list(operations), **facts}))


def _list(names: Sequence[str]) -> str | None:
    return json.dumps(list(names), separators=(",", ":")) if names else None
