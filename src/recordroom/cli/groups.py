"""`recordroom group|role|rule`: what users may do, by the roles and groups that they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from .accounts import activate, add_all, change_room, remove, rows_of, show_all, tell
from .apps import flag, group_of_commands, print_rows, usage
from .records import find_record
from .rooms import Json, Room, Words, placed
from .users import Roles

if TYPE_CHECKING:
    from ..client.session import Session

__all__ = ["group_app", "role_app", "rule_app"]

group_app = group_of_commands("group", "Users who have roles and shares together: add, list, remove.")
role_app = group_of_commands("role", "Sets of rules, and who has them: add, list, remove.")
rule_app = group_of_commands("rule", "What those who have a role may do: add, list, remove.")


@group_app.command(name="add", usage=usage("group add", "NAME"))
def group_add(*words: Words, role: Roles = None, room: Room = None, json: Json = False) -> None:
    """Add a group; its members have its roles.

    For example:

        recordroom group add studio.room lighting --role contributor
    """
    where, (name,) = placed(words, room, ("NAME",))
    activate(where)

    def change(session: Session) -> str:
        group = session.create("Group", {"name": name})
        add_all(session, group, "roles", "Role", role)
        return str(group["id"])

    tell(f"Added {name}.", {"group": name, "id": change_room(where, change)}, json=json)


@group_app.command(name="list", usage=usage("group list"))
def group_list(*words: Words, room: Room = None, json: Json = False) -> None:
    """List groups with their members and roles.

    For example:

        recordroom group list studio.room
    """
    show_all(words, room, "Group order by name", ("name", "description", "members", "roles"), json=json)


@group_app.command(name="remove", usage=usage("group remove", "NAME"))
def group_remove(*words: Words, room: Room = None, json: Json = False) -> None:
    """Remove a group; its members stay users.

    For example:

        recordroom group remove studio.room lighting
    """
    where, (name,) = placed(words, room, ("NAME",))
    remove(where, "Group", name, json=json)


@role_app.command(name="add", usage=usage("role add", "NAME"))
def role_add(
    *words: Words,
    description: Annotated[str | None, flag("--description", "What it is for.")] = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Add a role without rules.

    For example:

        recordroom role add studio.room supervisor
    """
    where, (name,) = placed(words, room, ("NAME",))
    activate(where)

    def change(session: Session) -> str:
        values = {"name": name} | ({"description": description} if description else {})
        return str(session.create("Role", values)["id"])

    tell(f"Added {name}.", {"role": name, "id": change_room(where, change)}, json=json)


@role_app.command(name="list", usage=usage("role list"))
def role_list(*words: Words, room: Room = None, json: Json = False) -> None:
    """List roles, and who has them.

    For example:

        recordroom role list studio.room
    """
    show_all(words, room, "Role order by name", ("name", "description", "users", "groups"), json=json)


@role_app.command(name="remove", usage=usage("role remove", "NAME"))
def role_remove(*words: Words, room: Room = None, json: Json = False) -> None:
    """Remove a role with its rules.

    For example:

        recordroom role remove studio.room supervisor
    """
    where, (name,) = placed(words, room, ("NAME",))
    remove(where, "Role", name, json=json)


@rule_app.command(name="add", usage=usage("rule add", "ROLE VERB TYPE"))
def rule_add(
    *words: Words,
    condition: Annotated[str | None, flag("--condition", "Which entities, as after where, with $actor.")] = None,
    attribute: Annotated[list[str] | None, flag("--attribute", "Only this attribute (repeat for more).")] = None,
    database: Annotated[str | None, flag("--database", "Only in this database.")] = None,
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
    activate(where)

    def change(session: Session) -> str:
        values: dict[str, Any] = {"verb": verb, "type": type_name, "condition": condition, "database": database}
        values |= {"attributes": attribute} if attribute else {}
        given = {key: value for key, value in values.items() if value is not None}
        return str(session.create("Rule", {"role": find_record(session, "Role", role), **given})["id"])

    identity = change_room(where, change)
    tell(f"Added the rule {identity}.", {"id": identity, "role": role, "verb": verb, "type": type_name}, json=json)


@rule_app.command(name="list", usage=usage("rule list"))
def rule_list(
    *words: Words,
    role: Annotated[str | None, flag("--role", "Only of this role.")] = None,
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
    rows = rows_of(where, question, names, **({} if role is None else {"role": role}))
    print_rows(("role", *names[1:]), rows, json=json)


@rule_app.command(name="remove", usage=usage("rule remove", "ID"))
def rule_remove(*words: Words, room: Room = None, json: Json = False) -> None:
    """Remove a rule; it holds from the next request on.

    For example:

        recordroom rule remove studio.room 01890a5d-ac96-774b-bcce-b302099a8057
    """
    where, (which,) = placed(words, room, ("ID",))
    remove(where, "Rule", which, json=json)
