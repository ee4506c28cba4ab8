"""`recordroom login`, `logout` and `whoami`: who one is at a server, and a profile that remembers it."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from cyclopts import Parameter

from ..errors import Error, KeyringUnavailable, MissingExtra, NotAuthenticated
from .apps import switch
from .output import complain, note, print_json, say
from .rooms import Json, UsageError

if TYPE_CHECKING:
    from ..client.accounts import Accounts
    from ..client.credentials import Credentials
    from ..client.login import Method
    from ..client.profiles import Profile, ProfileFile
    from ..client.secret import Secret
    from ..client.target import Target

__all__ = ["ProfileName", "login", "logout", "whoami"]

ProfileName = Annotated[
    str | None, Parameter(name="--profile", help="A profile by its name; without, the default one.")
]
_User = Annotated[str | None, Parameter(name="--user", help="Log in as this user, with a password.")]
_DAY = 86400
_KEY = "RECORDROOM_API_KEY"


def login(  # noqa: PLR0913 - each is an option
    url: Annotated[
        str | None, Parameter(help="The server, https://… (or in RECORDROOM_URL, or the profile's).")
    ] = None,
    *,
    user: _User = None,
    method: Annotated[
        str | None, Parameter(name="--method", help="password, code, browser, device or keyring.")
    ] = None,
    provider: Annotated[
        str | None, Parameter(name="--provider", help="Which provider of single sign-on, where there are several.")
    ] = None,
    code: Annotated[
        str | None,
        Parameter(name="--code", help="The one-time code that `recordroom serve` prints at its first start."),
    ] = None,
    set_password: Annotated[
        bool,
        switch("--set-password", "With a one-time code: ask for a new password."),
    ] = False,
    password_stdin: Annotated[
        bool,
        switch("--password-stdin", "Read the password from standard input."),
    ] = False,
    api_key: Annotated[
        bool,
        switch("--api-key", "Keep a new API key, not the session of this log-in."),
    ] = False,
    days: Annotated[int | None, Parameter(name="--days", help="How long the API key lasts; for ever without.")] = None,
    profile: ProfileName = None,
    timeout: Annotated[float, Parameter(name="--timeout", help="Seconds to wait for a log-in by browser.")] = 300.0,
    json: Json = False,
) -> None:
    """Log in at a server, and remember it in a profile.

    The log-in is kept in the keyring of the system. Where there is none, an API
    key is made and kept in the profile's file, which only you may read.

    For example:

        recordroom login https://room.example.org
        recordroom login https://room.example.org --user ann
        recordroom login http://127.0.0.1:8765 --code CODE --set-password
    """
    from ..client.accounts import Accounts
    from ..client.login import log_in, terminal
    from ..client.secret import Secret

    if days is not None and days < 1:
        raise UsageError("--days: expected a number from 1")
    if set_password and code is None and method != "code":
        raise UsageError("--set-password goes with --code")
    wish = _wish(_server(url, user, profile if url is None else _known(profile)), user, method, provider, timeout)
    if code is not None:
        wish = _with(wish, code=Secret(code))
    if set_password:
        wish = _with(wish, new_password=_new_password())
    if password_stdin:
        wish = _with(wish, password=Secret(sys.stdin.readline().rstrip("\r\n")))
    credentials = log_in(wish, terminal())
    accounts = Accounts(wish.url)
    who = accounts.me(credentials.header())
    kept = _keep(accounts, credentials, str(who.get("name") or who.get("user")), profile, days if api_key else _NO_KEY)
    if json:
        print_json({**kept.described(), "me": who})
        return
    say(f"You are {kept.user} at {kept.url} (profile {kept.name}).")
    if kept.api_key is not None:
        note("There is no keyring here: an API key is in your profile, in a file that only you may read.")


def logout(
    url: Annotated[str | None, Parameter(help="The server; without, that of the profile.")] = None,
    *,
    user: Annotated[str | None, Parameter(name="--user", help="Whose log-in, where there are several.")] = None,
    profile: ProfileName = None,
    json: Json = False,
) -> int:
    """Log out: the server ends the session or the key, and nothing of it is kept here.

    The profile stays, without its log-in. Exit code 1 where the server could
    not be told; what was kept here is gone even then.

    For example:

        recordroom logout
        recordroom logout https://room.example.org
    """
    # A key of the environment is not kept here, and may be in use elsewhere: it is not ended.
    target = _server(url, user, profile, {name: each for name, each in os.environ.items() if name != _KEY})
    trouble = _end(target, user)
    if not _forget(target) and trouble is not None:
        raise trouble
    told = trouble is None or isinstance(trouble, NotAuthenticated)
    if json:
        print_json({"url": target.url, "server_told": told})
    else:
        say(f"You are logged out of {target.url}.")
    if trouble is not None and not told:
        complain(f"the server was not told, and takes the log-in until it ends: {trouble.message}")
    return 0 if told else 1


def whoami(
    url: Annotated[str | None, Parameter(help="The server; without, that of the profile or the environment.")] = None,
    *,
    profile: ProfileName = None,
    json: Json = False,
) -> None:
    """Print who you are at a server, and how it knows.

    For example:

        recordroom whoami
        recordroom whoami --profile studio --json
    """
    from ..client.accounts import Accounts
    from ..client.login import credentials_for

    target = _server(url, None, profile)
    me = Accounts(str(target.url)).me(credentials_for(target).header())
    by = "a log-in in the keyring" if target.keyring else "an API key"
    if json:
        print_json({"url": target.url, "profile": target.profile, "by": by, "me": me})
        return
    say(f"You are {me.get('name')} at {target.url}, by {by}{_of(target)}.")
    for name in ("roles", "groups", "scopes", "expires"):
        if me.get(name):
            value = me[name]
            say(f"{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


# --- parts --------------------------------------------------------------------------------------------

# Stands for "keep the session": `None` days are for ever.
_NO_KEY = -1


def _server(url: str | None, user: str | None, profile: str | None, environ: Mapping[str, str] | None = None) -> Target:
    """The server that is meant; UsageError where none is said, or an embedded room."""
    from ..client.target import target_of
    from ..client.urls import is_server

    target = target_of({"url": url, "user": user, "profile": profile}, environ if environ is not None else os.environ)
    if target.url is None:
        raise UsageError("which server? Give its address, https://…, or --profile, or set RECORDROOM_URL")
    if not is_server(target.url):
        raise UsageError(f"{target.url} is no server, https://…; whoever has an embedded room is its owner")
    return target


def _known(profile: str | None) -> str | None:
    """The profile, if it is not still to be made."""
    from ..client.profiles import ProfileFile

    return profile if profile in ProfileFile(os.environ).read().profiles else None


def _wish(target: Target, user: str | None, method: str | None, provider: str | None, timeout: float) -> Any:
    from ..client.login import METHODS, Wish

    if method is not None and method not in METHODS:
        raise UsageError(f"--method: expected one of {', '.join(METHODS)}, got {method!r}")
    chosen: Method | None = method
    named = user or os.environ.get("RECORDROOM_USER") or None
    return Wish(
        url=str(target.url), user=named, usual_user=target.user, method=chosen, provider=provider, timeout=timeout
    )


def _with(wish: Any, **more: Secret) -> Any:
    import msgspec

    return msgspec.structs.replace(wish, **more)


def _new_password() -> Secret:
    from ..client.login import terminal
    from ..client.secret import Secret

    asked = [terminal().ask_secret(question) for question in ("New password: ", "Once more: ")]
    if asked[0] != asked[1]:
        raise UsageError("the two passwords differ")
    return Secret(asked[0])


def _keep(accounts: Accounts, credentials: Credentials, user: str, profile: str | None, days: int | None) -> Profile:
    """A profile with the log-in: in the keyring, or an API key in the file where there is none."""
    from ..client.credentials import SessionTokens
    from ..client.keeping import Kept, keep, keyring_works
    from ..client.profiles import Profile, ProfileFile

    file = ProfileFile(os.environ)
    before = file.read()
    name = profile or _name_for(before.profiles, accounts.url, user)
    ring = keyring_works()
    session = credentials.refresh_token if isinstance(credentials, SessionTokens) and ring and days == _NO_KEY else None
    secret = session or _key(accounts, credentials, None if days == _NO_KEY else days)
    if ring:
        kind: Literal["session", "api_key"] = "api_key" if session is None else "session"
        keep(Kept(url=accounts.url, user=user, kind=kind, secret=secret))
    old = before.profiles.get(name)
    made = Profile(
        name=name,
        url=accounts.url,
        user=user,
        database=old.database if old is not None else None,
        project=old.project if old is not None else None,
        api_key=None if ring else secret,
        keyring=ring,
    )
    file.change(lambda found: found.with_profile(made))
    return made


def _key(accounts: Accounts, credentials: Credentials, days: int | None) -> Secret:
    """An API key of whoever logged in; the session, which nobody needs any more, ends."""
    from ..client.credentials import ApiKey

    if isinstance(credentials, ApiKey):
        return credentials.key
    header = credentials.header()
    seconds = None if days is None else days * _DAY
    key = accounts.make_api_key(header, f"recordroom on {platform.node() or 'a machine'}", seconds)
    accounts.log_out(header)
    return key


def _name_for(profiles: dict[str, Profile], url: str, user: str) -> str:
    """The profile that is about this log-in already, or a name made of the host's."""
    from ..client.profiles import same_room

    for each in profiles.values():
        if same_room(each.url, url) and each.user in (user, None):
            return each.name
    parts = urlsplit(url)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{parts.netloc}{parts.path}").strip("-.")[:50] or "server"
    return name if name not in profiles else f"{name}-{re.sub(r'[^A-Za-z0-9._-]+', '-', user)}"[:64]


def _bare(target: Target) -> bool:
    return target.api_key is None and not target.keyring


def _end(target: Target, user: str | None) -> Error | None:
    """End the log-in at the server; what went wrong. NotAuthenticated: there is none that it knows."""
    from ..client.accounts import Accounts
    from ..client.login import credentials_for, from_keyring

    url, none = str(target.url), "no log-in is kept"
    try:
        found = from_keyring(url, user) if _bare(target) else credentials_for(target)
        if found is not None:
            Accounts(url).log_out(found.header())
            return None
    except (KeyringUnavailable, MissingExtra):
        pass
    except Error as error:
        return error
    return NotAuthenticated(f"{url}: you are not logged in.", where=url, reason=none)


def _forget(target: Target) -> bool:
    """Keep nothing of the log-in; whether something was kept."""
    from ..client.keeping import forget, kept
    from ..client.profiles import ProfileFile

    url, found = str(target.url), False
    try:
        entry = kept(url, target.user)
        found = entry is not None and forget(url, entry.user)
    except (KeyringUnavailable, MissingExtra):
        pass
    return _forget_in_profile(ProfileFile(os.environ), target) or found


def _forget_in_profile(file: ProfileFile, target: Target) -> bool:
    import msgspec

    name = target.profile
    profile = file.read().profiles.get(name) if name is not None else None
    if profile is None or (profile.api_key is None and not profile.keyring):
        return False
    bare = msgspec.structs.replace(profile, api_key=None, keyring=False)
    file.change(lambda found: found.with_profile(bare))
    return True


def _of(target: Target) -> str:
    return f" (profile {target.profile})" if target.profile is not None else ""
