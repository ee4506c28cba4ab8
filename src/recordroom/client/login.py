"""Logging in: from what somebody gives, or is asked for, to credentials.

The ways are "password", "code" (the one-time code of a server's first start, or of a reset), "browser" and "device" (single
sign-on), "token" (a token that is given) and "keyring" (a log-in that was kept). Which the server offers, it is asked.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Literal, get_args

import msgspec

from ..errors import InvalidValue, NotAuthenticated, UnknownName
from ..model.schema import close_names
from .accounts import Accounts, Ways
from .asking import Trust, private
from .credentials import AccessToken, ApiKey, Credentials, Granted, SessionTokens, log_in_again
from .keeping import Kept, KeyringEntry, keep, kept
from .oidc import Proof, Provider, by_browser, by_device, by_refresh_token
from .secret import Secret
from .target import Target
from .urls import is_server, server_url

__all__ = ["METHODS", "Method", "Person", "Wish", "credentials_for", "from_keyring", "log_in", "terminal"]

Method = Literal["password", "code", "browser", "device", "token", "keyring"]
METHODS: tuple[Method, ...] = get_args(Method)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody says about a log-in. A token with `provider` is the provider's, else the server's own.

    `user` was named now; `usual_user` is whom a profile names, who may have no password.
    """

    url: str
    user: str | None = None
    usual_user: str | None = None
    method: Method | None = None
    provider: str | None = None
    password: Secret | None = None
    code: Secret | None = None
    new_password: Secret | None = None
    access_token: Secret | None = None
    refresh_token: Secret | None = None
    id_token: Secret | None = None
    persist: bool = False
    timeout: float = 300.0
    trust: Trust = Trust()

    @property
    def has_token(self) -> bool:
        """Whether a token is given."""
        return self.access_token is not None or self.refresh_token is not None or self.id_token is not None


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever sits there: how they are asked and told, and how their browser opens."""

    ask: Callable[[str], str]
    ask_secret: Callable[[str], str]
    tell: Callable[[str], None]
    open_browser: Callable[[str], object]


def terminal(open_browser: Callable[[str], object] | None = None, tell: Callable[[str], None] | None = None) -> Person:
    """The person at the terminal, or at the notebook."""
    return Person(
        ask=_ask, ask_secret=_ask_secret, tell=tell or _tell, open_browser=open_browser or _open_browser
    )  # fmt: skip


# --- log in -------------------------------------------------------------------------------------------


def log_in(wish: Wish, person: Person) -> Credentials:
    """Credentials for a server. NotAuthenticated where it says no, or nobody can be asked.

    With `persist`, a log-in that is kept in the keyring is used, and a new one is kept there.
    """
    wish = _checked(wish)
    if wish.persist or wish.method == "keyring":
        found = _kept_before(wish)
        if found is not None:
            return found
    accounts = Accounts(wish.url, wish.trust)
    if wish.access_token is not None and wish.provider is None:
        return AccessToken(wish.access_token, wish.url)
    granted = _granted(wish, person, accounts)
    return _session(wish, accounts, granted)


def credentials_for(target: Target, trust: Trust | None = None) -> Credentials:
    """What a target names: its API key, or its log-in in the keyring. NotAuthenticated, with what to do, where it has none."""
    where = str(target.url)
    if target.api_key is not None:
        return ApiKey(target.api_key)
    found = from_keyring(where, target.user, trust) if target.keyring else None
    if found is None:
        what = "nothing is kept in the keyring" if target.keyring else "no API key and no log-in is at hand"
        ways = f'rr.login("{where}"), recordroom login {where}, api_key=…, RECORDROOM_API_KEY, or a profile'
        raise NotAuthenticated(f"{where}: {what}. Log in: {ways}.", where=where, reason=what)
    return found


def from_keyring(url: str, user: str | None = None, trust: Trust | None = None) -> Credentials | None:
    """Credentials from what is kept for a server and a user (or who logged in last), or None."""
    found = kept(url, user)
    if found is None:
        return None
    if found.kind == "api_key":
        return ApiKey(found.secret)
    accounts, entry = Accounts(url, trust), KeyringEntry(found.url, found.user)
    with entry.held():
        latest = entry.read() or found.secret
        granted = _renewed(accounts, latest)
        entry.write(granted.refresh or latest)
    granted = msgspec.structs.replace(granted, user=found.user)
    return SessionTokens(granted, accounts.renewed, where=accounts.url, keeper=entry)


def _renewed(accounts: Accounts, refresh: Secret) -> Granted:
    try:
        return accounts.renewed(refresh)
    except NotAuthenticated as error:
        reason = str(error.facts.get("reason") or error.message).rstrip(".")
        text = f"{accounts.url} does not accept the kept log-in ({reason}); {log_in_again(accounts.url)}"
        raise NotAuthenticated(text, where=accounts.url, reason=reason) from error


def _checked(wish: Wish) -> Wish:
    if not is_server(wish.url):
        raise InvalidValue(
            f"One logs in at a server, https://…; {wish.url!r} is none. An embedded room needs no log-in: rr.connect(…).",
            type="login", attribute="url", value=wish.url, expected="https://…",
        )  # fmt: skip
    if wish.method is not None and wish.method not in METHODS:
        raise InvalidValue(type="login", attribute="method", value=wish.method, expected=f"one of {', '.join(METHODS)}")
    if wish.persist and wish.access_token is not None and wish.provider is None:
        expected = "a refresh_token: an access token ends too soon to be kept"
        raise InvalidValue(type="login", attribute="persist", value=True, expected=expected)
    return msgspec.structs.replace(wish, url=private(server_url(wish.url), wish.trust))


def _kept_before(wish: Wish) -> Credentials | None:
    """The log-in that is kept; None where there is none that works, and another way is open."""
    only, user = wish.method == "keyring", wish.user or wish.usual_user
    try:
        # KeyringUnavailable is said before anybody is asked for anything.
        there = kept(wish.url, user) is not None
        if not only and (wish.has_token or wish.code is not None or wish.password is not None):
            return None
        found = from_keyring(wish.url, user, wish.trust) if there else None
    except NotAuthenticated:
        if only:
            raise
        return None
    if found is None and only:
        reason = "nothing is kept in the keyring"
        text = f'{wish.url}: {reason}; log in with rr.login("{wish.url}", persist=True) or: recordroom login {wish.url}'
        raise NotAuthenticated(text, where=wish.url, reason=reason)
    return found


def _session(wish: Wish, accounts: Accounts, granted: Granted) -> Credentials:
    refresh = granted.refresh
    if refresh is None:
        return AccessToken(granted.access, wish.url)
    user = granted.user or wish.user or "me"
    granted = msgspec.structs.replace(granted, user=user)
    if not wish.persist:
        return SessionTokens(granted, accounts.renewed, where=wish.url)
    keep(Kept(url=wish.url, user=user, kind="session", secret=refresh))
    return SessionTokens(granted, accounts.renewed, where=wish.url, keeper=KeyringEntry(wish.url, user))


# --- the ways -----------------------------------------------------------------------------------------


def _granted(wish: Wish, person: Person, accounts: Accounts) -> Granted:
    """Tokens of the server, by the way that was asked for or the first that fits."""
    if wish.has_token:
        return _by_token(wish, accounts)
    if wish.code is not None or wish.method == "code":
        return _by_code(wish, person, accounts)
    if wish.password is not None:
        return _by_password(wish, person, accounts)
    ways = accounts.ways()
    method = wish.method or _first_way(wish, ways)
    if method == "password":
        return _by_password(wish, person, accounts)
    if method == "token":
        expected = "access_token=…, refresh_token=… or id_token=…"
        raise InvalidValue(type="login", attribute="method", value=method, expected=expected)
    provider = _provider(wish, ways)
    if method == "browser":
        proof = by_browser(provider, open_browser=person.open_browser, tell=person.tell, timeout=wish.timeout)
    else:
        proof = by_device(provider, tell=person.tell, timeout=wish.timeout)
    return _by_proof(accounts, proof)


def _first_way(wish: Wish, ways: Ways) -> Method:
    """A person who names a user has a password; others sign on where there is a provider."""
    if wish.provider is None and "password" in ways.methods and (wish.user is not None or not ways.providers):
        return "password"
    return "browser" if _has_browser() else "device"


def _by_password(wish: Wish, person: Person, accounts: Accounts) -> Granted:
    user = wish.user or wish.usual_user or person.ask(f"User at {wish.url}: ")
    password = wish.password or Secret(person.ask_secret(f"Password of {user} at {wish.url}: "))
    return accounts.grant({"grant": "password", "user": user, "password": password.reveal()})


def _by_code(wish: Wish, person: Person, accounts: Accounts) -> Granted:
    code = wish.code or Secret(person.ask_secret(f"One-time code for {wish.url}: "))
    new = None if wish.new_password is None else wish.new_password.reveal()
    return accounts.grant({"grant": "code", "code": code.reveal().strip(), "new_password": new})


def _by_token(wish: Wish, accounts: Accounts) -> Granted:
    """With a token that was given; the server's own, or a provider's."""
    if wish.provider is None:
        if wish.refresh_token is None:
            expected = "the name of the provider that the token comes from"
            raise InvalidValue(type="login", attribute="provider", value=None, expected=expected)
        return _renewed(accounts, wish.refresh_token)
    if wish.id_token is not None:
        return _by_proof(accounts, Proof(provider=wish.provider, id_token=wish.id_token))
    if wish.refresh_token is not None:
        return _by_proof(accounts, by_refresh_token(_provider(wish, accounts.ways()), wish.refresh_token))
    token = None if wish.access_token is None else wish.access_token.reveal()
    return accounts.grant({"grant": "access_token", "provider": wish.provider, "access_token": token})


def _by_proof(accounts: Accounts, proof: Proof) -> Granted:
    request = {"grant": "id_token", "provider": proof.provider, "id_token": proof.id_token.reveal()}
    return accounts.grant({**request, "nonce": proof.nonce})


def _provider(wish: Wish, ways: Ways) -> Provider:
    by_name = {each.name: each for each in ways.providers}
    if wish.provider is not None:
        if wish.provider in by_name:
            return by_name[wish.provider]
        text = f"{wish.url} has no provider {wish.provider!r} of single sign-on."
        raise UnknownName(text, name=wish.provider, suggestions=close_names(wish.provider, by_name))
    if len(by_name) == 1:
        return ways.providers[0]
    if not by_name:
        reason = "the server has no provider of single sign-on"
        raise NotAuthenticated(f"{wish.url}: {reason}; log in with a password.", where=wish.url, reason=reason)
    raise InvalidValue(type="login", attribute="provider", value=None, expected=f"one of {', '.join(sorted(by_name))}")


# --- the person at the terminal -----------------------------------------------------------------------


def _ask(question: str) -> str:
    try:
        _write(question, end="")
        return input()
    except (EOFError, OSError):
        raise _nobody() from None


def _ask_secret(question: str) -> str:
    import getpass

    with warnings.catch_warnings():
        # It warns where it would read a password that shows on the screen.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(question)
        except (getpass.GetPassWarning, EOFError, OSError):
            raise _nobody() from None


def _nobody() -> NotAuthenticated:
    reason = "there is no terminal to ask for a password without showing it"
    others = 'rr.login_with_password(…), rr.login(…, method="browser" or "device"), a log-in kept with persist=True'
    text = f"One cannot log in here: {reason}. Other ways: {others}, api_key=… or RECORDROOM_API_KEY."
    return NotAuthenticated(text, where="", reason=reason)


def _tell(text: str) -> None:
    _write(text)


def _write(text: str, end: str = "\n") -> None:
    sys.stderr.write(text + end)
    sys.stderr.flush()


def _open_browser(address: str) -> None:
    import webbrowser

    if _has_browser():
        webbrowser.open(address)


def _has_browser() -> bool:
    """Whether a window can open here: on a machine that one reached by ssh, it cannot."""
    import webbrowser

    if sys.platform not in ("win32", "darwin") and not any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))):
        return False
    try:
        return webbrowser.get() is not None
    except webbrowser.Error:
        return False
