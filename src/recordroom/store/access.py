"""Access: what one actor may do in a room, and how plans ask.

`access_of(opened, actor)` gives the actor's `Access`, or None for one who may do everything. It is kept per user until a
commit raises the access revision, a schema changes, or a share ends: asking again costs no statement.

Readers: `access.catalog(catalog)` is the same catalog for this actor. Statements compiled with it see only what the
actor may see. Nothing else may be given to code that reads tables by itself.

Writers ask about raw data, inside their transaction, with the plain catalog:

    kept = yield from allowed(catalog, access, "update", "Task", ids, ("name", "bid"))

gives those of `ids` for which every one of the attributes is covered by a grant that holds now: call it before the
change, and for "create" and "update" after it as well (every attribute given, `created` or changed). Without attributes: those for
which any grant of the verb holds. `visible(catalog, access, type, ids)` gives those that the actor may see at all: an id that
is not among them is to be treated as one that is not there. `access.may_define(database)` is about schema operations
and databases. With access None everything is allowed, and nothing is asked.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from ..errors import PermissionDenied, UnknownName
from ..model.actor import OWNER, Actor
from ..model.schema import close_names
from .access_rules import EVERY_TYPE, VERBS, Grant, Rules
from .account_changes import ACCOUNTS_DATABASE
from .actor_facts import ShareRow, UserFacts, facts_of, has_accounts, names_of_users
from .catalog import Catalog, Catalogs
from .compile import allowed_statement
from .default_roles import ACCOUNT_TYPES
from .plans import Fetch, Plan

if TYPE_CHECKING:
    from .opened import Opened

__all__ = ["Access", "Grant", "access_of", "allowed", "now", "user_named", "visible"]

_MOST_USERS = 10_000
_AT_ONCE = 20_000
_interned: WeakKeyDictionary[Catalog, dict[Any, Rules]] = WeakKeyDictionary()
_MOST_RULES = 500


class Access:
    """What one actor may do: grants, and the facts that stand for `$actor` in their conditions. Immutable."""

    def __init__(
        self, actor: Actor, grants: Sequence[Grant], facts: Mapping[str, Any], shares: Sequence[ShareRow] = ()
    ) -> None:
        self.actor = actor
        self.shares = shares
        self.facts = facts
        self.admin = not actor.scopes or "admin" in actor.scopes
        verbs = _verbs(actor.scopes)
        self.grants = tuple(grant for grant in grants if grant.verb in verbs)
        self._rules: WeakKeyDictionary[Catalog, Rules] = WeakKeyDictionary()

    @property
    def is_guest(self) -> bool:
        """Whether no rule is about the actor: at most something is shared with them."""
        return self.actor.user is not None and not any(grant.rule for grant in self.grants)

    def rules(self, catalog: Catalog) -> Rules:
        """The grants as they hold in one database, shared with every actor for whom they are the same."""
        plain = catalog.plain
        found = self._rules.get(plain)
        if found is None:
            made = Rules(plain.database, plain.schema, self.grants, self.facts, admin=self.admin)
            known = _interned.setdefault(plain, {})
            if len(known) >= _MOST_RULES:
                known.clear()
            found = self._rules[plain] = known.setdefault(made.key, made)
        return found

    def catalog(self, catalog: Catalog) -> Catalog:
        """The same catalog, for this actor."""
        return catalog.plain.seen_by(self)

    def may_define(self, database: str | None = None) -> bool:
        """Whether the actor may change the schema of a database; None: make and drop databases."""
        return any(
            grant.verb == "define"
            and grant.type == EVERY_TYPE
            and not grant.condition
            and grant.database in ("", database or "")
            for grant in self.grants
        )

    def check_define(self, what: str, database: str | None = None) -> None:
        """PermissionDenied unless the actor may change the schema."""
        if not self.may_define(database):
            raise PermissionDenied(what=what)


# --- whose access ---------------------------------------------------------------------------------


class _Kept(NamedTuple):
    access_revision: int
    schema_revision: int
    until: int | None
    access: Access | None


_kept: WeakKeyDictionary[Opened, dict[Actor, _Kept]] = WeakKeyDictionary()


def now() -> int:
    """Microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def access_of(opened: Opened, actor: Actor, catalogs: Catalogs | None = None) -> Plan[Access | None]:
    """What `actor` may do in this snapshot; None: everything. NotAuthenticated for a user who may not log in.

    `catalogs` are those of the snapshot where they are known already.
    """
    if actor.user is None:
        return _owner(actor)
    if catalogs is None:
        catalogs = yield from opened.current()
    known = _kept.setdefault(opened, {})
    kept, moment = known.get(actor), now()
    if (
        kept is not None
        and (kept.access_revision, kept.schema_revision) == (catalogs.access_revision, catalogs.revision)
        and (kept.until is None or moment < kept.until)
    ):
        return kept.access
    access, until = yield from _resolved(catalogs.by_key.get(ACCOUNTS_DATABASE), actor, actor.user, moment)
    if len(known) >= _MOST_USERS:
        known.clear()
    known[actor] = _Kept(catalogs.access_revision, catalogs.revision, until, access)
    return access


def _resolved(main: Catalog | None, actor: Actor, user: bytes, moment: int) -> Plan[tuple[Access | None, int | None]]:
    if main is None or not has_accounts(main.schema):
        return _owner(actor), None
    found = yield from facts_of(main, user, moment)
    access = Access(actor, *_grants(user, found), found.shares)
    return (None if access.admin and _may_everything(access.grants) else access), found.until


def _grants(user: bytes, found: UserFacts) -> tuple[list[Grant], dict[str, Any]]:
    """Everything that a user is granted, and the facts with what is shared."""
    facts = dict(found.facts)
    grants = [
        Grant(
            verb=rule.verb,
            type=rule.type,
            database=rule.database,
            condition=rule.condition,
            attributes=rule.attributes,
            role=rule.role,
            rule=rule.id,
        )
        for rule in found.rules
    ]
    grants.append(Grant(verb="read", type="User", database=ACCOUNTS_DATABASE, condition="id is $actor"))
    for share in found.shares:
        grants += _shared(share, facts)
    return grants, facts


def _shared(share: ShareRow, facts: dict[str, Any]) -> list[Grant]:
    """The grants of a share that are not there yet; its entity becomes one of the facts."""
    grants = []
    for verb, name in (("read", "shared_read"), ("update", "shared_write")):
        if verb == "read" or share.writes:
            fact = f"actor.{name}.{share.database}.{share.type}"
            if fact not in facts:
                facts[fact] = []
                grants.append(Grant(verb=verb, type=share.type, database=share.database, condition=f"id in ${fact}"))
            facts[fact].append(share.entity)
    return grants


def _may_everything(grants: Sequence[Grant]) -> bool:
    whole = {(grant.verb, grant.type) for grant in grants if grant.whole}
    wanted = {("define", EVERY_TYPE)} | {(verb, each) for verb in VERBS for each in (EVERY_TYPE, *ACCOUNT_TYPES)}
    return wanted <= whole


# --- by name --------------------------------------------------------------------------------------


def user_named(main: Catalog | None, name: str) -> Plan[Actor]:
    """The user of that name, as an actor; UnknownName with close names where there is none.

    In a room without accounts it is a name and nothing else, and "owner" is the owner everywhere.
    """
    if name == OWNER.name or main is None or not has_accounts(main.schema):
        return Actor(name=name)
    names = yield from names_of_users(main)
    found = names.get(name)
    if found is None:
        close = close_names(name, names)
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise UnknownName(f"There is no user {name!r} in this room.{hint}", name=name, suggestions=close)
    return Actor(name=name, user=found)


# --- tokens ---------------------------------------------------------------------------------------

_EVERYTHING = (*VERBS, "define")


def _verbs(scopes: Sequence[str]) -> tuple[str, ...]:
    """The verbs that a token with these scopes is good for."""
    if not scopes or "admin" in scopes:
        return _EVERYTHING
    return VERBS if "write" in scopes else (("read",) if "read" in scopes else ())


@lru_cache(maxsize=100)
def _owner(actor: Actor) -> Access | None:
    """What the owner may do with a token of these scopes."""
    if _verbs(actor.scopes) == _EVERYTHING:
        return None
    types = (EVERY_TYPE, *ACCOUNT_TYPES)
    return Access(actor, [Grant(verb=verb, type=each) for verb in VERBS for each in types], {})


# --- questions of those who write -----------------------------------------------------------------


def allowed(  # noqa: PLR0913 - each is one part of the question
    catalog: Catalog,
    access: Access | None,
    verb: str,
    type_name: str,
    ids: Sequence[bytes],
    attributes: Sequence[str] = (),
    *,
    at: int | None = None,
) -> Plan[set[bytes]]:
    """Those of `ids` for which grants of `verb` hold that cover every one of the attributes.

    Looks at raw data as it is in this transaction, or was at revision `at` (the history follower must have caught up).
    Where a grant holds always, ids are not looked up: one that names nothing is in the result too.
    """
    if access is None:
        return set(ids)
    rules = access.rules(catalog)
    covering = [rules.covering(verb, type_name, name) for name in attributes] or [rules.covering(verb, type_name)]
    if not all(covering):
        return set()
    if at is None and all(rules.always(terms, type_name) for terms in covering):
        return set(ids)
    found: set[bytes] = set()
    ids = list(dict.fromkeys(ids))
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        ready = allowed_statement(access.catalog(catalog), verb, type_name, tuple(sorted(set(attributes))), some, at)
        rows = yield Fetch(ready.sql, ready.parameters, ready.layout.storage)
        found.update(bytes(row[0]) for row in rows)
    return found


def visible(
    catalog: Catalog, access: Access | None, type_name: str, ids: Sequence[bytes], *, at: int | None = None
) -> Plan[set[bytes]]:
    """Those of `ids` that the actor may see at all."""
    return allowed(catalog, access, "read", type_name, ids, at=at)
