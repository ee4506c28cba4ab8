"""`recordroom token`: API keys and sessions, and the keys that a room signs with."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from ..client.urls import is_server
from .accounts import of_accounts, rows_of, tell
from .apps import flag, group_of_commands, print_rows, usage
from .asking import of_server, tell_server
from .output import note, print_json, say
from .rooms import Json, Room, UsageError, Words, placed

__all__ = ["token_app"]

token_app = group_of_commands(
    "token", "API keys and sessions: add, list, remove; and the keys that a room signs with: rotate."
)


@token_app.command(name="add", usage=usage("token add", "NAME"))
def token_add(
    *words: Words,
    user: Annotated[str | None, flag("--user", "Whose key; your own through a server without.")] = None,
    scope: Annotated[list[str] | None, flag("--scope", "read, write or admin; all without.")] = None,
    days: Annotated[float | None, flag("--days", "After how many days it ends; never without.")] = None,
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
        found = of_server(where, "POST", "/v1/tokens", dict[str, Any], request)
    else:
        if user is None:
            raise UsageError("whose key? Give --user: the owner of a room needs no key")
        found = of_accounts(where, lambda accounts, owner: accounts.grant(request, client="here", identity=owner))
    if json:
        print_json(found)
        return
    note(f"The key {name!r}, shown this once:")
    say(found["api_key"])


@token_app.command(name="list", usage=usage("token list"))
def token_list(
    *words: Words,
    user: Annotated[str | None, flag("--user", "Whose; your own through a server without.")] = None,
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
        found = of_server(where, "GET", path, list[dict[str, Any]])
    elif user is not None:
        found = of_accounts(where, lambda accounts, owner: accounts.tokens(owner, user))
    else:
        paths = ("id", "user.name", "kind", "name", "scopes", "created_at", "expires", "revoked")
        shown = ("id", "user", "kind", "name", "scopes", "created", "expires", "revoked")
        print_rows(shown, rows_of(where, "Token order by id", paths), json=json)
        return
    print_rows(names, [[each[name] for name in names] for each in found], json=json)


@token_app.command(name="remove", usage=usage("token remove", "ID"))
def token_remove(*words: Words, room: Room = None, json: Json = False) -> None:
    """End an API key or a session at once.

    For example:

        recordroom token remove studio.room 01890a5d-ac96-774b-bcce-b302099a8057
    """
    where, (which,) = placed(words, room, ("ID",))
    if is_server(where):
        tell_server(where, "DELETE", f"/v1/tokens/{quote(which, safe='')}")
    else:
        of_accounts(where, lambda accounts, owner: accounts.revoke(owner, which))
    tell(f"Ended {which}.", {"ended": which}, json=json)


@token_app.command(name="rotate", usage=usage("token rotate"))
def token_rotate(*words: Words, room: Room = None, json: Json = False) -> None:
    """Sign with new keys: every access token and every signed address ends at once.

    For when a key, an address or a backup got into wrong hands. Who is logged in
    goes on without noticing; API keys stay, and token remove ends them.

    For example:

        recordroom token rotate studio.room
    """
    where, _ = placed(words, room, ())
    if is_server(where):
        tell_server(where, "POST", "/v1/keys")
    else:
        of_accounts(where, lambda accounts, owner: accounts.rotate_keys(owner))
    ended = ["access tokens", "addresses of files", "addresses of pages"]
    tell(f"Signing with new keys. Ended: {', '.join(ended)}.", {"ended": ended}, json=json)
