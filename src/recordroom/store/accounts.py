"""Accounts in a room, as plans: making them, and finding users and their tokens.

Activation adds to the database `main` what it misses of the types in templates/core.toml, and makes the default
roles once. Whatever is there stays: a type of the same name gains attributes; one that means something else is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ..model.ids import as_id, new_id
from ..model.operations import Commit, CommitResult, Create, Operation
from .account_changes import ACCOUNTS_DATABASE
from .account_schema import account_operations
from .catalog import Catalog, Catalogs, catalog_of, load_catalogs
from .commit import By, commit_plan
from .default_roles import default_roles
from .layout import layout_of
from .plans import Fetch, Plan, Row
from .relations import relation_of
from .secrets import ROOM, Secret, keep_secret, secret_of
from .sqltext import id_list, marked, quoted

__all__ = [
    "TokenState",
    "UserState",
    "activate",
    "commit_as",
    "is_activated",
    "main_of",
    "names_of",
    "token_state",
    "tokens_of",
    "user_state",
]

_MARK = "accounts"  # the secret of the room that says that it has had its default roles


class UserState(NamedTuple):
    """What logging in needs to know of a user."""

    id: bytes
    name: str
    active: bool


class TokenState(NamedTuple):
    """What authenticating needs to know of a token. Times in microseconds since 1970, UTC."""

    id: bytes
    user: UserState
    kind: str
    name: str | None
    scopes: tuple[str, ...]
    expires: int | None
    revoked: int | None

    def good(self, now: int) -> bool:
        """Whether it may be used at `now`."""
        return self.user.active and self.revoked is None and (self.expires is None or now < self.expires)


def main_of(catalogs: Catalogs) -> Catalog:
    """The database that has the accounts."""
    return catalog_of(catalogs, ACCOUNTS_DATABASE)


def commit_as(catalog: Catalog, operations: Sequence[Operation], actor: str, now: int) -> Plan[CommitResult]:
    """Commit operations as the owner, in the name of `actor`."""
    commit = Commit(id=new_id(), database=catalog.database, operations=list(operations))
    return commit_plan(catalog, commit, By(actor, now))


# --- activation -----------------------------------------------------------------------------------


def is_activated(catalog: Catalog) -> Plan[bool]:
    """Whether accounts were made in this room."""
    mark = yield from secret_of(catalog.dialect, ROOM, _MARK)
    return mark is not None and {"User", "Token"} <= set(catalog.schema)


def activate(catalogs: Catalogs, actor: str, now: int, more: Sequence[Operation] = ()) -> Plan[bool]:
    """Add what accounts need to the database `main`, and commit `more` with it; whether anything was missing.

    Runs as the one writer. Again changes nothing, but for what was dropped from the schema since. `more` is made the
    first time only. InvalidSchema where a type or attribute that is there means something else.
    """
    main = main_of(catalogs)
    mark = yield from secret_of(main.dialect, ROOM, _MARK)
    operations = account_operations(main.schema)
    if mark is None:
        there = {} if "Role" not in main.schema else (yield from _roles(main))
        operations += [*default_roles(there), *more]
        yield from keep_secret(main.dialect, Secret(ROOM, _MARK))
    if not operations:
        return False
    yield from commit_as(main, operations, actor, now)
    return True


def reloaded(catalog: Catalog) -> Plan[Catalog]:
    """The database as it is now in a transaction that changed its schema."""
    return main_of((yield from load_catalogs(catalog.dialect, None)))


def _roles(catalog: Catalog) -> Plan[dict[str, bytes]]:
    rows = yield from _select(catalog, "Role", ("name", "id"))
    return dict(rows)


# --- finding --------------------------------------------------------------------------------------


def _select(
    catalog: Catalog, type_name: str, names: Sequence[str], where: str = "", parameters: Sequence[Any] = ()
) -> Plan[list[Row]]:
    """Values of attributes; `{name}` in `where` is the column of that attribute."""
    layout = layout_of(catalog, type_name)
    columns = [layout.columns[name] for name in names]
    condition = where.format_map({name: quoted(column) for name, column in layout.columns.items()})
    if layout.typed:
        names_of_types = ", ".join(f"'{name}'" for name in catalog.schema.subtypes(type_name))
        condition = f"entity_type IN ({names_of_types})" + (f" AND ({condition})" if condition else "")
    sql = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(layout.table)}"
    sql = f"{sql} WHERE {condition}" if condition else sql
    rows: list[Row] = yield Fetch(marked(catalog.dialect, sql), parameters, layout.storage_of(columns))
    return rows


def user_state(catalog: Catalog, which: str | bytes) -> Plan[UserState | None]:
    """The user of that id, or of that name (or id as text)."""
    if "User" not in catalog.schema:
        return None
    if isinstance(which, str):
        found = yield from _users(catalog, "{name} = ?", (which,))
        if found:
            return found[0]
        try:
            which = as_id(which)
        except ValueError:
            return None
    found = yield from _users(catalog, "id = ?", (which,))
    return found[0] if found else None


def user_named(catalog: Catalog, name: str) -> Plan[UserState | None]:
    """The user of that name."""
    found = () if "User" not in catalog.schema else (yield from _users(catalog, "{name} = ?", (name,)))
    return found[0] if found else None


def user_of(catalog: Catalog, external: str) -> Plan[UserState | None]:
    """The user whom a provider of single sign-on knows as `external`."""
    found = yield from _users(catalog, "{external} = ?", (external,))
    return found[0] if found else None


def _users(catalog: Catalog, where: str, parameters: Sequence[Any]) -> Plan[list[UserState]]:
    rows = yield from _select(catalog, "User", ("id", "name", "active"), where, parameters)
    return [UserState(row[0], row[1] or "", row[2] is not False and bool(row[1])) for row in rows]


_TOKEN = ("id", "user", "kind", "name", "scopes", "expires", "revoked")


def token_state(catalog: Catalog, token: bytes) -> Plan[TokenState | None]:
    """The token of that id with its user."""
    if "Token" not in catalog.schema:
        return None
    rows = yield from _select(catalog, "Token", _TOKEN, "id = ?", (token,))
    return (yield from _token(catalog, rows[0])) if rows else None


def _token(catalog: Catalog, row: Row) -> Plan[TokenState | None]:
    user = yield from user_state(catalog, row[1])
    return None if user is None else _state(row, user)


def _state(row: Row, user: UserState) -> TokenState:
    scopes = () if row[4] is None else tuple(msgspec.json.decode(row[4]))
    return TokenState(row[0], user, row[2], row[3], scopes, row[5], row[6])


def tokens_of(catalog: Catalog, user: UserState) -> Plan[list[TokenState]]:
    """Every token of a user, oldest first."""
    rows = yield from _select(catalog, "Token", _TOKEN, "{user} = ?", (user.id,))
    return sorted((_state(row, user) for row in rows), key=lambda each: each.id)


def created_at(catalog: Catalog, tokens: Sequence[bytes]) -> Plan[dict[bytes, int]]:
    """When Token entities were made: microseconds since 1970, UTC."""
    table = quoted(layout_of(catalog, "Token").table)
    sql = f"SELECT t.id, c.time FROM {table} AS t JOIN rr_commit AS c ON c.revision = t.created_revision"
    rows = yield Fetch(marked(catalog.dialect, f"{sql} WHERE t.id IN {id_list(catalog.dialect)}"), (list(tokens),))
    return {bytes(token): time for token, time in rows}


def ended_tokens(catalog: Catalog, before: int, limit: int) -> Plan[list[bytes]]:
    """Tokens that ended before that moment."""
    rows = yield from _select(catalog, "Token", ("id",), "{expires} < ? OR {revoked} < ?", (before, before))
    return sorted(row[0] for row in rows)[:limit]


def names_of(catalog: Catalog, type_name: str, ids: Sequence[bytes]) -> Plan[list[str]]:
    """The names of entities, sorted."""
    where = f"id IN {id_list(catalog.dialect)}"
    rows = yield from _select(catalog, type_name, ("name",), where, (list(ids),))
    return sorted(row[0] for row in rows if row[0] is not None)


def ids_of(catalog: Catalog, type_name: str, names: Sequence[str]) -> Plan[dict[str, bytes]]:
    """The ids of entities by their names."""
    found: dict[str, bytes] = {}
    for name in dict.fromkeys(names):
        rows = yield from _select(catalog, type_name, ("id",), "{name} = ?", (name,))
        found.update((name, row[0]) for row in rows)
    return found


def linked(catalog: Catalog, type_name: str, attribute: str, entity: bytes) -> Plan[list[bytes]]:
    """The ids at the other end of a links attribute."""
    table = relation_of(catalog, type_name, attribute).table
    sql = marked(catalog.dialect, f"SELECT target FROM {quoted(table)} WHERE source = ?")
    rows = yield Fetch(sql, (entity,))
    return [bytes(row[0]) for row in rows]


def new_entity(type_name: str, entity: bytes, values: Mapping[str, Any]) -> Create:
    """The operation that makes one entity from raw scalars."""
    return Create(type=type_name, ids=[entity], columns={name: [value] for name, value in values.items()})
