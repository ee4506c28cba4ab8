"""What the commands about users, groups, roles, rules and tokens share.

Everything but secrets is an ordinary entity, so these commands work on a room and through a server alike. For keys and
codes a server is asked; in a room that this process opens, `Accounts` makes them for its owner.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..client.urls import is_server
from ..errors import NotFound, UnknownType
from .apps import print_rows
from .asking import of_room
from .output import note, print_json, say
from .records import find_record
from .rooms import open_session, placed

if TYPE_CHECKING:
    from ..client.session import Session
    from ..server.auth.accounts import Accounts
    from ..server.auth.identity import Identity
    from ..store.async_room import AsyncRoom

__all__ = [
    "activate",
    "add_all",
    "change_room",
    "drop_all",
    "of_accounts",
    "plain",
    "read_room",
    "remove",
    "rows_of",
    "show_all",
    "tell",
]

T = TypeVar("T")


def of_accounts(where: str, ask: Callable[[Accounts, Identity], Awaitable[T]]) -> T:
    """What `ask` says of the accounts of a room that this process opens, as its owner."""
    try:
        from ..server.auth.accounts import Accounts
    except ImportError as error:
        from ..errors import MissingExtra

        raise MissingExtra(package=error.name or "argon2", extra="server") from error
    from ..model.actor import OWNER
    from ..server.auth.identity import Identity

    async def asked(room: AsyncRoom) -> T:
        accounts = Accounts(room)
        try:
            return await ask(accounts, Identity(actor=OWNER))
        finally:
            await accounts.close()

    return of_room(where, asked)


def activate(where: str) -> None:
    """Make accounts in a room that has none yet; a server has done so when it started."""
    if is_server(where):
        return

    async def ask(accounts: Accounts, owner: Identity) -> bool:
        return await accounts.activate()

    if of_accounts(where, ask):
        note("The room has accounts now: the types User, Role, Rule … and the default roles.")


def change_room(where: str, change: Callable[[Session], T]) -> T:
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


def read_room(where: str, read: Callable[[Session], T]) -> T:
    """What is read in one session."""
    with open_session(where, "main") as session:
        try:
            return read(session)
        except UnknownType as error:
            raise _without(error) from error


def rows_of(where: str, question: str, names: Sequence[str], **parameters: Any) -> list[list[Any]]:
    """Rows of a query, as values for people."""
    return read_room(
        where, lambda session: [[plain(each, name) for name in names] for each in session.query(question, **parameters)]
    )


def show_all(words: tuple[str, ...], room: str | None, question: str, names: Sequence[str], *, json: bool) -> None:
    """What a query finds in the room that was named, as a table for people or rows for scripts."""
    where, _ = placed(words, room, ())
    print_rows(names, rows_of(where, question, names), json=json)


def plain(entity: Any, path: str) -> Any:
    """A value at a path as JSON has it; many as their names, in order."""
    value = entity
    for name in path.split("."):
        value = None if value is None else value[name]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat().replace("+00:00", "Z")
    return sorted(each if isinstance(each, str) else each["name"] for each in value)


def tell(text: str, facts: dict[str, Any], *, json: bool) -> None:
    """A line for people, or facts for scripts."""
    if json:
        print_json(facts)
    else:
        say(text)


def remove(where: str, type_name: str, which: str, *, json: bool) -> None:
    """Remove one entity, and say so."""

    def change(session: Session) -> str:
        entity = find_record(session, type_name, which)
        session.delete(entity)
        return str(entity["id"])

    tell(f"Removed {which}.", {"removed": which, "id": change_room(where, change)}, json=json)


def add_all(session: Session, entity: Any, attribute: str, type_name: str, names: Sequence[str] | None) -> None:
    """Relate what is there under these names."""
    for name in names or ():
        entity[attribute].add(find_record(session, type_name, name))


def drop_all(session: Session, entity: Any, attribute: str, type_name: str, names: Sequence[str] | None) -> None:
    """Take out what is there under these names."""
    for name in names or ():
        entity[attribute].discard(find_record(session, type_name, name))
