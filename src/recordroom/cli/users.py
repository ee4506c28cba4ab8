"""`recordroom user`: people who may log in to a room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

from cyclopts import Parameter

from ..client.urls import is_server
from .accounts import activate, add_all, change_room, drop_all, of_accounts, plain, read_room, remove, show_all, tell
from .apps import flag, group_of_commands, repeated, usage
from .asking import of_server
from .output import note, print_json, print_table, say
from .records import find_record
from .rooms import Json, Room, Words, placed

if TYPE_CHECKING:
    from ..client.session import Session

__all__ = ["Roles", "user_app"]

user_app = group_of_commands("user", "People who may log in: add, list, show, change, reset, remove.")

Roles = Annotated[list[str] | None, repeated("--role", "A role (repeat for more).")]
Groups = Annotated[list[str] | None, repeated("--group", "A group (repeat for more).")]


def _code(where: str, user: str) -> dict[str, Any]:
    if is_server(where):
        return of_server(where, "POST", f"/v1/users/{quote(user, safe='')}/reset", dict[str, Any])
    return of_accounts(where, lambda accounts, owner: accounts.reset(owner, user))


def _tell_code(found: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(found)
        return
    note(f"A code that logs {found['user']} in once, shown this once; it holds {found['expires_in'] // 3600} hours:")
    say(found["code"])


@user_app.command(name="add", usage=usage("user add", "NAME"))
def user_add(  # noqa: PLR0913 - each is one thing to say of them
    *words: Words,
    role: Roles = None,
    group: Groups = None,
    full_name: Annotated[str | None, flag("--full-name", "How people know them.")] = None,
    email: Annotated[str | None, flag("--email", "Their address.")] = None,
    external: Annotated[str | None, flag("--external", "issuer|subject, who they are to single sign-on.")] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Add a user; prints a one-time code with which they log in and set a password.

    Who signs on elsewhere (--external) gets none. A room without accounts gets them.

    For example:

        recordroom user add studio.room ann --role editor --email ann@example.org
    """
    where, (name,) = placed(words, room, ("NAME",))
    activate(where)

    def change(session: Session) -> str:
        values = {"name": name, "full_name": full_name, "email": email, "external": external, "active": True}
        given = {key: value for key, value in values.items() if value is not None}
        user = session.create("User", given)
        add_all(session, user, "roles", "Role", role)
        add_all(session, user, "groups", "Group", group)
        return str(user["id"])

    identity = change_room(where, change)
    if external is not None:
        tell(f"Added {name}.", {"user": name, "id": identity}, json=json)
        return
    _tell_code(_code(where, name) | {"id": identity}, json=json)


@user_app.command(name="list", usage=usage("user list"))
def user_list(*words: Words, room: Room = None, json: Json = False) -> None:
    """List users with their roles and groups.

    For example:

        recordroom user list studio.room --json
    """
    show_all(words, room, "User order by name", ("name", "full_name", "email", "active", "roles", "groups"), json=json)


@user_app.command(name="show", usage=usage("user show", "NAME"))
def user_show(*words: Words, room: Room = None, json: Json = False) -> None:
    """Show one user.

    For example:

        recordroom user show studio.room ann
    """
    where, (name,) = placed(words, room, ("NAME",))
    names = ("id", "name", "full_name", "email", "active", "external", "roles", "groups")

    def read(session: Session) -> list[Any]:
        user = find_record(session, "User", name)
        return [plain(user, each) for each in names]

    row = read_room(where, read)
    if json:
        print_json(dict(zip(names, row, strict=True)))
        return
    shown = [", ".join(cell) if isinstance(cell, list) else cell for cell in row]
    print_table(("", "value"), list(zip(names, shown, strict=True)))


@user_app.command(name="set", usage=usage("user set", "NAME"))
def user_set(  # noqa: PLR0913 - each is one thing that can be set
    *words: Words,
    role: Roles = None,
    group: Groups = None,
    drop_role: Annotated[list[str] | None, flag("--drop-role", "Take a role away.")] = None,
    drop_group: Annotated[list[str] | None, flag("--drop-group", "Take out of a group.")] = None,
    active: Annotated[bool | None, Parameter(name="--active", negative="--inactive", help="May log in.")] = None,
    email: Annotated[str | None, flag("--email", "Their address.")] = None,
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
        add_all(session, user, "roles", "Role", role)
        add_all(session, user, "groups", "Group", group)
        drop_all(session, user, "roles", "Role", drop_role)
        drop_all(session, user, "groups", "Group", drop_group)
        return str(user["id"])

    tell(f"Changed {name}.", {"user": name, "id": change_room(where, change)}, json=json)


@user_app.command(name="reset", usage=usage("user reset", "NAME"))
def user_reset(*words: Words, room: Room = None, json: Json = False) -> None:
    """Print a one-time code for a user who cannot log in; the password and all sessions end.

    For example:

        recordroom user reset studio.room ann
    """
    where, (name,) = placed(words, room, ("NAME",))
    _tell_code(_code(where, name), json=json)


@user_app.command(name="remove", usage=usage("user remove", "NAME"))
def user_remove(*words: Words, room: Room = None, json: Json = False) -> None:
    """Remove a user with keys, sessions and shares. To keep the name in lists, use user set --inactive.

    For example:

        recordroom user remove studio.room bob
    """
    where, (name,) = placed(words, room, ("NAME",))
    remove(where, "User", name, json=json)
