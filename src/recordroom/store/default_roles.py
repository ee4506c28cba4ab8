"""The roles that a room with accounts begins with, as operations. They are data: people change them as they like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from ..model.ids import new_id, new_ids
from ..model.operations import Create, Operation

__all__ = ["ACCOUNT_TYPES", "ADMINISTRATOR", "default_roles"]

ACCOUNT_TYPES = ("User", "Group", "Role", "Rule", "Project", "ProjectMember", "Share", "Token", "Webhook")
ADMINISTRATOR = "administrator"

_CHANGES = ("create", "update", "delete")
_OF_USERS = ("name", "full_name", "email", "active", "groups")
_OWN = "project in $actor.projects"


class _Rule(NamedTuple):
    verb: str
    type: str
    condition: str | None = None
    attributes: tuple[str, ...] = ()


def _administrator() -> Iterator[_Rule]:
    yield from (_Rule(verb, "*") for verb in ("read", *_CHANGES, "share", "define"))
    yield from (_Rule(verb, name) for name in ACCOUNT_TYPES for verb in ("read", *_CHANGES, "share"))


def _people() -> Iterator[_Rule]:
    """Who is there, for those who work together."""
    yield _Rule("read", "User", attributes=_OF_USERS)
    yield _Rule("read", "Group", attributes=("name", "description", "members"))


def _editor() -> Iterator[_Rule]:
    yield from (_Rule(verb, "*") for verb in ("read", *_CHANGES, "share"))
    yield from _people()
    yield from (_Rule("read", name) for name in ("Project", "ProjectMember"))


def _contributor() -> Iterator[_Rule]:
    yield from (_Rule(verb, "*", _OWN) for verb in ("read", *_CHANGES, "share"))
    yield from _people()
    yield from (_Rule(verb, "Project", "id in $actor.projects") for verb in ("read", "update"))
    yield _Rule("read", "ProjectMember", _OWN)


def _reader() -> Iterator[_Rule]:
    yield _Rule("read", "*")
    yield _Rule("read", "User", attributes=("name", "full_name"))
    yield _Rule("read", "Project")


_ROLES: dict[str, tuple[str, Iterable[_Rule]]] = {
    ADMINISTRATOR: ("May do everything, accounts and the schema included.", tuple(_administrator())),
    "editor": ("May read, change and share everything but accounts.", tuple(_editor())),
    "contributor": ("May read, change and share what belongs to projects they are members of.", tuple(_contributor())),
    "reader": ("May read everything but accounts.", tuple(_reader())),
    "guest": ("Sees what is shared with them, and nothing else.", ()),
}


def default_roles(there: Iterable[str] = ()) -> list[Operation]:
    """Operations that make the default roles with their rules, but for those whose names are `there`."""
    taken = set(there)
    wanted = {name: new_id() for name in _ROLES if name not in taken}
    if not wanted:
        return []
    columns = {"name": [*wanted], "description": [_ROLES[name][0] for name in wanted]}
    operations: list[Operation] = [Create(type="Role", ids=[*wanted.values()], columns=columns)]
    rules = [(role, rule) for name, role in wanted.items() for rule in _ROLES[name][1]]
    if rules:
        operations.append(_rules(rules))
    return operations


def _rules(rules: list[tuple[bytes, _Rule]]) -> Create:
    return Create(
        type="Rule",
        ids=new_ids(len(rules)),
        columns={
            "role": [role for role, _ in rules],
            "verb": [rule.verb for _, rule in rules],
            "type": [rule.type for _, rule in rules],
            "condition": [rule.condition for _, rule in rules],
            "attributes": [_list(rule.attributes) for _, rule in rules],
        },
    )


def _list(names: tuple[str, ...]) -> str | None:
    return msgspec.json.encode(names).decode() if names else None
