"""The roles that a room with accounts begins with, as operations. They are data: people change them as they like."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from ..model.ids import new_ids
from ..model.operations import Create, Operation

__all__ = ["ACCOUNT_TYPES", "ADMINISTRATOR", "default_roles", "role_id"]

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


def role_id(name: str) -> bytes:
    """The id of a default role, the same in every room: that of a row of a template."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"recordroom:Role:{name}").bytes


def default_roles(there: Mapping[str, bytes] = MappingProxyType({})) -> list[Operation]:
    """Operations that make the default roles with their rules, but for those whose names are `there` with another id.

    A template that was applied before there were accounts has made roles with rules of its own, and these lack ours.
    """
    wanted = {name: role_id(name) for name in _ROLES if there.get(name, role_id(name)) == role_id(name)}
    made = [name for name in wanted if name not in there]
    operations: list[Operation] = []
    if made:
        columns = {"name": made, "description": [_ROLES[name][0] for name in made]}
        operations.append(Create(type="Role", ids=[wanted[name] for name in made], columns=columns))
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
