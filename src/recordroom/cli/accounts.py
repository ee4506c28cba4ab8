"""`recordroom user|group|role|rule|token`: who may log in to a room, and what they may do.

Everything but secrets is an ordinary entity, so these commands work on a room and through a server alike. For keys and
codes a server is asked; in a room that this process opens, `Accounts` makes them for its owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import quote

from cyclopts import App, Parameter

from ..client.urls import is_server
from ..errors import NotFound, UnknownType
from .output import note, print_json, print_table, say
from .records import find_record
from .rooms import Json, Room, UsageError, Words, open_session, placed

if TYPE_CHECKING:
    from ..client.session import Session
    from ..server.auth.accounts import Accounts
    from ..server.auth.identity import Identity

__all__ = ["account_apps", "group_app", "role_app", "rule_app", "token_app", "user_app"]

T = TypeVar("T")
_EPILOGUE = "Exit codes and more: recordroom --help"


def _app(name: str, about: str) -> App:
    return App(name=name, help=about, help_format="plaintext", help_epilogue=_EPILOGUE)


user_app = _app("user", "People who may log in: add, list, show, change, reset, remove.")
group_app = _app("group", "Users who have roles and shares together.")
role_app = _app("role", "Sets of rules, and who has them.")
rule_app = _app("rule", "What those who have a role may do.")
token_app = _app("token", "API keys and sessions: make, list, end.")
account_apps = (user_app, group_app, role_app, rule_app, token_app)

Roles = Annotated[
    list[str] | None, Parameter(name="--role", negative=(), show_default=False, help="A role (repeat for more).")
]
Groups = Annotated[
    list[str] | None, Parameter(name="--group", negative=(), show_default=False, help="A group (repeat for more).")
]


def _flag(name: str, text: str) -> Any:
    return Parameter(name=name, help=text)


def _usage(command: str, words: str = "") -> str:
    return f"Usage: recordroom {command} [ROOM] {words} [OPTIONS]".replace("  ", " ")


# --- rooms and servers ----------------------------------------------------------------------------


def _accounts(where: str, ask: Callable[[Accounts, Identity], Awaitable[T]]) -> T:
    """What `ask` says of the accounts of a room that this process opens, as its owner."""

    async def run() -> T:
        try:
            from ..server.auth.accounts import Accounts
        except ImportError as error:
            from ..errors import MissingExtra

            raise MissingExtra(package=error.name or "argon2", extra="server") from error
        from ..model.actor import OWNER
        from ..server.auth.identity import Identity
        from ..store.async_room import AsyncRoom

        room = await AsyncRoom.open(where, create=False)
        accounts = Accounts(room)
        try:
            return await ask(accounts, Identity(actor=OWNER))
        finally:
            await accounts.close()
            await room.close()

    return asyncio.run(run())


def _server(where: str, method: str, path: str, body: Any, kind: type[T]) -> T:
    """What a server answers."""
    from ..client.calls import Request

    with open_session(where, "main") as session:
        caller = session.transport.caller  # type: ignore[attr-defined]
        found: T = caller.ask(Request(method=method, path=path, body=body, repeatable=method == "GET"), kind)
        return found


def _activate(where: str) -> None:
    """Make accounts in a room that has none yet; a server has done so when it started."""
    if is_server(where):
        return

    async def ask(accounts: Accounts, owner: Identity) -> bool:
        return await accounts.activate()

    if _accounts(where, ask):
        note("The room has accounts now: the types User, Role, Rule … and the default roles.")


def _change(where: str, change: Callable[[Session], T]) -> T:
    """Make changes in one commit."""
    with open_session(where, "main", mode="write") as session:
        try:
            found = change(session)
        except UnknownType as error:
            raise _without(error) from error
        session.commit()
        return found


def _without(error: UnknownType) -> NotFound:
    message = "This room has no accounts yet: recordroom user add makes them, and so does recordroom serve."
    return NotFound(message, type=error.facts.get("name"), entity="")


def _ask(where: str, question: str, names: Sequence[str], **parameters: Any) -> list[list[Any]]:
    """Rows of a query, as values for people."""
    with open_session(where, "main") as session:
        try:
            return [[_plain(each, name) for name in names] for each in session.query(question, **parameters)]
        except UnknownType as error:
            raise _without(error) from error


def _plain(entity: Any, path: str) -> Any:
    value = entity
    for name in path.split("."):
        value = None if value is None else value[name]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat().replace("+00:00", "Z")
    return sorted(each if isinstance(each, str) else each["name"] for each in value)


def _show(names: Sequence[str], rows: Sequence[Sequence[Any]], *, json: bool) -> None:
    if json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    print_table(names, [[", ".join(cell) if isinstance(cell, list) else cell for cell in row] for row in rows])


def _done(text: str, facts: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(facts)
    else:
        say(text)


def _remove(where: str, type_name: str, which: str, *, json: bool) -> None:
    def change(session: Session) -> str:
        entity = find_record(session, type_name, which)
        session.delete(entity)
        return str(entity["id"])

    _done(f"Removed {which}.", {"removed": which, "id": _change(where, change)}, json=json)


def _add_all(session: Session, entity: Any, attribute: str, type_name: str, names: Sequence[str] | None) -> None:
    for name in names or ():
        entity[attribute].add(find_record(session, type_name, name))


def _drop_all(session: Session, entity: Any, attribute: str, type_name: str, names: Sequence[str] | None) -> None:
    for name in names or ():
        entity[attribute].discard(find_record(session, type_name, name))


# --- users ----------------------------------------------------------------------------------------


def _code(where: str, user: str) -> dict[str, Any]:
    if is_server(where):
        return _server(where, "POST", f"/v1/users/{quote(user, safe='')}/reset", None, dict[str, Any])
    return _accounts(where, lambda accounts, owner: accounts.reset(owner, user))


def _tell_code(found: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(found)
        return
    note(f"A code that logs {found['user']} in once, shown this once; it holds {found['expires_in'] // 3600} hours:")
    say(found["code"])


@user_app.command(name="add", usage=_usage("user add", "NAME"))
def user_add(  # noqa: PLR0913 - each is one thing to say of them
    *words: Words,
    role: Roles = None,
    group: Groups = None,
    full_name: Annotated[str | None, _flag("--full-name", "How people know them.")] = None,
    email: Annotated[str | None, _flag("--email", "Their address.")] = None,
    external: Annotated[str | None, _flag("--external", "issuer|subject, who they are to single sign-on.")] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Add a user; prints a one-time code with which they log in and set a password.

    Who signs on elsewhere (--external) gets none. A room without accounts gets them.

    For example:

        recordroom user add studio.room ann --role editor --email ann@example.org
    """
    where, (name,) = placed(words, room, ("NAME",))
    _activate(where)

    def change(session: Session) -> str:
        values = {"name": name, "full_name": full_name, "email": email, "external": external, "active": True}
        given = {key: value for key, value in values.items() if value is not None}
        user = session.create("User", given)
        _add_all(session, user, "roles", "Role", role)
        _add_all(session, user, "groups", "Group", group)
        return str(user["id"])

    identity = _change(where, change)
    if external is not None:
        _done(f"Added {name}.", {"user": name, "id": identity}, json=json)
        return
    _tell_code(_code(where, name) | {"id": identity}, json=json)


@user_app.command(name="list", usage=_usage("user list"))
def user_list(*words: Words, room: Room = None, json: Json = False) -> None:
    """List users with their roles and groups.

    For example:

        recordroom user list studio.room --json
    """
    where, _ = placed(words, room, ())
    names = ("name", "full_name", "email", "active", "roles", "groups")
    _show(names, _ask(where, "User order by name", names), json=json)


@user_app.command(name="show", usage=_usage("user show", "NAME"))
def user_show(*words: Words, room: Room = None, json: Json = False) -> None:
    """Show one user.

    For example:

        recordroom user show studio.room ann
    """
    where, (name,) = placed(words, room, ("NAME",))
    names = ("id", "name", "full_name", "email", "active", "external", "roles", "groups")

    def read(session: Session) -> list[Any]:
        user = find_record(session, "User", name)
        return [_plain(user, each) for each in names]

    with open_session(where, "main") as session:
        row = read(session)
    if json:
        print_json(dict(zip(names, row, strict=True)))
        return
    shown = [", ".join(cell) if isinstance(cell, list) else cell for cell in row]
    print_table(("", "value"), list(zip(names, shown, strict=True)))


@user_app.command(name="set", usage=_usage("user set", "NAME"))
def user_set(  # noqa: PLR0913 - each is one thing that can be set
    *words: Words,
    role: Roles = None,
    group: Groups = None,
    drop_role: Annotated[list[str] | None, _flag("--drop-role", "Take a role away.")] = None,
    drop_group: Annotated[list[str] | None, _flag("--drop-group", "Take out of a group.")] = None,
    active: Annotated[bool | None, Parameter(name="--active", negative="--inactive", help="May log in.")] = None,
    email: Annotated[str | None, _flag("--email", "Their address.")] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Change a user's roles, groups, address, or whether they may log in.

    It holds from their next request on.

    For example:

        recordroom user set studio.room ann --role contributor --drop-role editor
        recordroom user set studio.room bob --inactive
    """
    where, (name,) = placed(words, room, ("NAME",))

    def change(session: Session) -> str:
        user = find_record(session, "User", name)
        for key, value in (("active", active), ("email", email)):
            if value is not None:
                user[key] = value
        _add_all(session, user, "roles", "Role", role)
        _add_all(session, user, "groups", "Group", group)
        _drop_all(session, user, "roles", "Role", drop_role)
        _drop_all(session, user, "groups", "Group", drop_group)
        return str(user["id"])

    _done(f"Changed {name}.", {"user": name, "id": _change(where, change)}, json=json)


@user_app.command(name="reset", usage=_usage("user reset", "NAME"))
def user_reset(*words: Words, room: Room = None, json: Json = False) -> None:
    """Print a one-time code for a user who cannot log in; the password and all sessions end.

    For example:

        recordroom user reset studio.room ann
    """
    where, (name,) = placed(words, room, ("NAME",))
    _tell_code(_code(where, name), json=json)


@user_app.command(name="remove", usage=_usage("user remove", "NAME"))
def user_remove(*words: Words, room: Room = None, json: Json = False) -> None:
    """Remove a user with keys, sessions and shares. To keep the name in lists, use user set --inactive.

    For example:

        recordroom user remove studio.room bob
    """
    where, (name,) = placed(words, room, ("NAME",))
    _remove(where, "User", name, json=json)


# --- groups and roles -----------------------------------------------------------------------------


@group_app.command(name="add", usage=_usage("group add", "NAME"))
def group_add(*words: Words, role: Roles = None, room: Room = None, json: Json = False) -> None:
    """Add a group; its members have its roles.

    For example:

        recordroom group add studio.room lighting --role contributor
    """
    where, (name,) = placed(words, room, ("NAME",))
    _activate(where)

    def change(session: Session) -> str:
        group = session.create("Group", {"name": name})
        _add_all(session, group, "roles", "Role", role)
        return str(group["id"])

    _done(f"Added {name}.", {"group": name, "id": _change(where, change)}, json=json)


@group_app.command(name="list", usage=_usage("group list"))
def group_list(*words: Words, room: Room = None, json: Json = False) -> None:
    """List groups with their members and roles.

    For example:

        recordroom group list studio.room
    """
    where, _ = placed(words, room, ())
    names = ("name", "description", "members", "roles")
    _show(names, _ask(where, "Group order by name", names), json=json)


@group_app.command(name="remove", usage=_usage("group remove", "NAME"))
def group_remove(*words: Words, room: Room = None, json: Json = False) -> None:
    """Remove a group; its members stay users.

    For example:

        recordroom group remove studio.room lighting
    """
    where, (name,) = placed(words, room, ("NAME",))
    _remove(where, "Group", name, json=json)


@role_app.command(name="add", usage=_usage("role add", "NAME"))
def role_add(
    *words: Words,
    description: Annotated[str | None, _flag("--description", "What it is for.")] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Add a role without rules.

    For example:

        recordroom role add studio.room supervisor
    """
    where, (name,) = placed(words, room, ("NAME",))
    _activate(where)

    def change(session: Session) -> str:
        values = {"name": name} | ({"description": description} if description else {})
        return str(session.create("Role", values)["id"])

    _done(f"Added {name}.", {"role": name, "id": _change(where, change)}, json=json)


@role_app.command(name="list", usage=_usage("role list"))
def role_list(*words: Words, room: Room = None, json: Json = False) -> None:
    """List roles, and who has them.

    For example:

        recordroom role list studio.room
    """
    where, _ = placed(words, room, ())
    names = ("name", "description", "users", "groups")
    _show(names, _ask(where, "Role order by name", names), json=json)


@role_app.command(name="remove", usage=_usage("role remove", "NAME"))
def role_remove(*words: Words, room: Room = None, json: Json = False) -> None:
    """Remove a role with its rules.

    For example:

        recordroom role remove studio.room supervisor
    """
    where, (name,) = placed(words, room, ("NAME",))
    _remove(where, "Role", name, json=json)


# --- rules ----------------------------------------------------------------------------------------


@rule_app.command(name="add", usage=_usage("rule add", "ROLE VERB TYPE"))
def rule_add(
    *words: Words,
    condition: Annotated[str | None, _flag("--condition", "Which entities, as after where, with $actor.")] = None,
    attribute: Annotated[list[str] | None, _flag("--attribute", "Only this attribute (repeat for more).")] = None,
    database: Annotated[str | None, _flag("--database", "Only in this database.")] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Let those who have a role do something.

    VERB is read, create, update, delete, share or define; TYPE is an entity
    type with those that extend it, or * for all but accounts.

    For example:

        recordroom rule add studio.room supervisor update Task --condition 'project in $actor.projects' --attribute status
    """
    from ..query.grammar import parse_condition

    where, (role, verb, type_name) = placed(words, room, ("ROLE", "VERB", "TYPE"))
    if condition is not None:
        parse_condition(condition)
    _activate(where)

    def change(session: Session) -> str:
        values: dict[str, Any] = {"verb": verb, "type": type_name, "condition": condition, "database": database}
        values |= {"attributes": attribute} if attribute else {}
        given = {key: value for key, value in values.items() if value is not None}
        return str(session.create("Rule", {"role": find_record(session, "Role", role), **given})["id"])

    identity = _change(where, change)
    _done(f"Added the rule {identity}.", {"id": identity, "role": role, "verb": verb, "type": type_name}, json=json)


@rule_app.command(name="list", usage=_usage("rule list"))
def rule_list(
    *words: Words,
    role: Annotated[str | None, _flag("--role", "Only of this role.")] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """List rules.

    For example:

        recordroom rule list studio.room --role contributor
    """
    where, _ = placed(words, room, ())
    names = ("role.name", "verb", "type", "condition", "attributes", "database", "id")
    question = "Rule order by role.name, type, verb" if role is None else "Rule where role.name is $role order by type"
    rows = _ask(where, question, names, **({} if role is None else {"role": role}))
    _show(("role", *names[1:]), rows, json=json)


@rule_app.command(name="remove", usage=_usage("rule remove", "ID"))
def rule_remove(*words: Words, room: Room = None, json: Json = False) -> None:
    """Remove a rule; it holds from the next request on.

    For example:

        recordroom rule remove studio.room 01890a5d-ac96-774b-bcce-b302099a8057
    """
    where, (which,) = placed(words, room, ("ID",))
    _remove(where, "Rule", which, json=json)


# --- tokens ---------------------------------------------------------------------------------------


@token_app.command(name="add", usage=_usage("token add", "NAME"))
def token_add(
    *words: Words,
    user: Annotated[str | None, _flag("--user", "Whose key; your own through a server without.")] = None,
    scope: Annotated[list[str] | None, _flag("--scope", "read, write or admin; all without.")] = None,
    days: Annotated[float | None, _flag("--days", "After how many days it ends; never without.")] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Make an API key. It is shown this once.

    For example:

        recordroom token add studio.room 'render farm' --user ann --scope read --days 90
    """
    where, (name,) = placed(words, room, ("NAME",))
    request: dict[str, Any] = {"grant": "api_key", "name": name, "scopes": scope or []}
    request |= {"user": user} if user is not None else {}
    request |= {"expires_in": days * 86400} if days is not None else {}
    if is_server(where):
        found = _server(where, "POST", "/v1/tokens", request, dict[str, Any])
    else:
        if user is None:
            raise UsageError("whose key? Give --user: the owner of a room needs no key")
        found = _accounts(where, lambda accounts, owner: accounts.grant(request, client="here", identity=owner))
    if json:
        print_json(found)
        return
    note(f"The key {name!r}, shown this once:")
    say(found["api_key"])


@token_app.command(name="list", usage=_usage("token list"))
def token_list(
    *words: Words,
    user: Annotated[str | None, _flag("--user", "Whose; your own through a server without.")] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """List API keys and sessions.

    For example:

        recordroom token list studio.room --user ann
    """
    where, _ = placed(words, room, ())
    names = ("id", "user", "kind", "name", "scopes", "created", "used", "expires", "revoked")
    if is_server(where):
        path = "/v1/tokens" + ("" if user is None else f"?user={quote(user, safe='')}")
        found = _server(where, "GET", path, None, list[dict[str, Any]])
    elif user is not None:
        found = _accounts(where, lambda accounts, owner: accounts.tokens(owner, user))
    else:
        paths = ("id", "user.name", "kind", "name", "scopes", "created_at", "expires", "revoked")
        shown = ("id", "user", "kind", "name", "scopes", "created", "expires", "revoked")
        _show(shown, _ask(where, "Token order by id", paths), json=json)
        return
    _show(names, [[each[name] for name in names] for each in found], json=json)


@token_app.command(name="remove", usage=_usage("token remove", "ID"))
def token_remove(*words: Words, room: Room = None, json: Json = False) -> None:
    """End an API key or a session at once.

    For example:

        recordroom token remove studio.room 01890a5d-ac96-774b-bcce-b302099a8057
    """
    where, (which,) = placed(words, room, ("ID",))
    if is_server(where):
        _end(where, which)
    else:
        _accounts(where, lambda accounts, owner: accounts.revoke(owner, which))
    _done(f"Ended {which}.", {"ended": which}, json=json)


def _end(where: str, which: str) -> None:
    from ..client.calls import Request

    with open_session(where, "main") as session:
        caller = session.transport.caller  # type: ignore[attr-defined]
        caller.do(Request(method="DELETE", path=f"/v1/tokens/{quote(which, safe='')}"))
