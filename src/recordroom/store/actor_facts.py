"""Facts about an actor, read from the account types: what `$actor` stands for in rules, which rules and shares there are.

Read once per user and access revision: `store.access` keeps what comes of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import NotAuthenticated
from ..model.kinds import raw_loader
from ..model.schema import Schema
from .catalog import Catalog
from .layout import layout_of
from .plans import Fetch, Plan, Row
from .sqltext import id_list, marked, quoted

__all__ = ["RuleRow", "ShareRow", "UserFacts", "facts_of", "has_accounts", "names_of_users"]

_NEEDED = ("User", "Group", "Role", "Rule")


class RuleRow(NamedTuple):
    """One rule, and the name of the role that it belongs to."""

    id: bytes
    role: str
    verb: str
    database: str
    type: str
    condition: str
    attributes: tuple[str, ...]


class ShareRow(NamedTuple):
    """One share that has not ended. `ends` is in microseconds since 1970, UTC."""

    id: bytes
    database: str
    type: str
    entity: bytes
    writes: bool
    ends: int | None


class UserFacts(NamedTuple):
    """What is known of a user. `facts` are the parameters of rules; `until` is when the first of the shares ends."""

    name: str
    facts: Mapping[str, Any]
    rules: tuple[RuleRow, ...]
    shares: tuple[ShareRow, ...]
    until: int | None


def has_accounts(schema: Schema) -> bool:
    """Whether a schema (of the database `main`) has the types that rules are made of."""
    if not all(name in schema for name in _NEEDED):
        return False
    roles = schema.attributes("User").get("roles")
    return roles is not None and roles.kind == "links" and roles.target == "Role"


def facts_of(catalog: Catalog, user: bytes, moment: int) -> Plan[UserFacts]:
    """What is known of `user` at `moment` (microseconds since 1970, UTC); NotAuthenticated for one who may not log in."""
    reader = _Reader(catalog)
    own = yield from _own_facts(reader, user)
    groups = yield from reader.targets("User", "groups", [user])
    roles = yield from _roles(reader, user, groups)
    rules = yield from _rules(reader, roles)
    projects = yield from _projects(reader, user, groups)
    shares = yield from _shares(reader, (user, groups, projects), moment)
    facts = {f"actor.{name}": value for name, value in own.items()}
    facts |= {
        "actor": user,
        "actor.id": user,
        "actor.groups": groups,
        "actor.projects": projects,
        "actor.roles": sorted(roles.values()),
    }
    ends = [share.ends for share in shares if share.ends is not None]
    return UserFacts(str(own["name"]), facts, tuple(rules), tuple(shares), min(ends, default=None))


def names_of_users(catalog: Catalog) -> Plan[dict[str, bytes]]:
    """The id of every user by name."""
    rows = yield from _Reader(catalog).rows("User", ("name", "id"), "{name} IS NOT NULL", ())
    return {row[0]: bytes(row[1]) for row in rows}


class _Reader:
    """Short ways to read rows of account types."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.dialect = catalog.dialect
        self.schema = catalog.schema
        self.ids = id_list(catalog.dialect)

    def rows(self, type_name: str, names: Sequence[str], condition: str, parameters: Sequence[Any]) -> Plan[list[Row]]:
        """Values of attributes; `{name}` in the condition is the column of that attribute."""
        layout = layout_of(self.catalog, type_name)
        columns = [layout.columns[name] for name in names]
        where = condition.format_map({name: quoted(column) for name, column in layout.columns.items()})
        if layout.type != layout.root:
            subtypes = ", ".join(f"'{name}'" for name in self.schema.subtypes(type_name))
            where = f"({where}) AND entity_type IN ({subtypes})"
        sql = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(layout.table)} WHERE {where} ORDER BY id"
        found: list[Row] = yield Fetch(marked(self.dialect, sql), parameters, layout.storage_of(columns))
        return found

    def targets(self, type_name: str, attribute: str, sources: list[bytes]) -> Plan[list[bytes]]:
        """The ids at the other end of a links attribute of some entities."""
        if attribute not in self.schema.attributes(type_name) or not sources:
            return []
        links = self.schema.attribute(type_name, attribute)
        table = self.catalog.tables.relation_name(type_name, links)
        near, far = ("target", "source") if links.derived else ("source", "target")
        sql = f"SELECT DISTINCT {far} FROM {quoted(table)} WHERE {near} IN {self.ids} ORDER BY {far}"
        rows = yield Fetch(marked(self.dialect, sql), (sources,))
        return [bytes(row[0]) for row in rows]


def _own_facts(reader: _Reader, user: bytes) -> Plan[dict[str, Any]]:
    """The scalars of the User that have a value, and since which revision there is this user of this name."""
    attributes = [
        each
        for each in layout_of(reader.catalog, "User").attributes.values()
        if each.name == "created_revision"
        or (not each.system and each.kind != "json" and (not each.multi or each.kind != "uuid"))
    ]
    rows = yield from reader.rows("User", [each.name for each in attributes], "id = ?", (user,))
    if not rows:
        raise NotAuthenticated(where="The room", reason="there is no such user")
    values = {each.name: raw for each, raw in zip(attributes, rows[0], strict=True) if raw is not None}
    if values.get("active") is False:
        raise NotAuthenticated(where="The room", reason="this user is not active")
    loaders = {
        each.name: raw_loader(each) for each in attributes if each.multi or each.kind not in ("uuid", "reference")
    }
    return {name: loader(raw) if (loader := loaders.get(name)) else raw for name, raw in values.items()}


def _roles(reader: _Reader, user: bytes, groups: list[bytes]) -> Plan[dict[bytes, str]]:
    """The roles of a user and of the groups, by id."""
    own = yield from reader.targets("User", "roles", [user])
    lent = yield from reader.targets("Group", "roles", groups)
    rows = yield from reader.rows("Role", ("id", "name"), f"id IN {reader.ids}", ([*own, *lent],))
    return {bytes(row[0]): row[1] for row in rows}


def _rules(reader: _Reader, roles: Mapping[bytes, str]) -> Plan[list[RuleRow]]:
    if not roles:
        return []
    names = ("id", "role", "verb", "database", "type", "condition", "attributes")
    rows = yield from reader.rows("Rule", names, f"{{role}} IN {reader.ids}", ([*roles],))
    return [
        RuleRow(
            bytes(rule),
            roles[bytes(role)],
            verb,
            database or "",
            type_name,
            (condition or "").strip(),
            tuple(json.loads(attributes or "[]")),
        )
        for rule, role, verb, database, type_name, condition, attributes in rows
    ]


def _projects(reader: _Reader, user: bytes, groups: list[bytes]) -> Plan[list[bytes]]:
    if "ProjectMember" not in reader.schema:
        return []
    condition = f"{{user}} = ? OR {{group}} IN {reader.ids}"
    rows = yield from reader.rows("ProjectMember", ("project",), condition, (user, groups))
    return sorted({bytes(row[0]) for row in rows if row[0] is not None})


def _shares(reader: _Reader, whom: tuple[bytes, list[bytes], list[bytes]], moment: int) -> Plan[list[ShareRow]]:
    """The shares with a user, some groups or some projects that have not ended."""
    if "Share" not in reader.schema:
        return []
    user, groups, projects = whom
    names = ("id", "database", "type", "entity", "access", "ends")
    condition = f"({{user}} = ? OR {{group}} IN {reader.ids} OR {{project}} IN {reader.ids}) AND ({{ends}} IS NULL OR {{ends}} > ?)"
    rows = yield from reader.rows("Share", names, condition, (user, groups, projects, moment))
    return [ShareRow(bytes(row[0]), row[1], row[2], bytes(row[3]), row[4] == "write", row[5]) for row in rows if row[3]]
