"""Log-ins and keys kept in the keyring of the system, one entry for a server and a user, for later unattended use.

An entry names the server that it is for, and is never given out for another. Processes that share an entry take turns.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..errors import KeyringUnavailable, MissingExtra
from .folder import locked, settings_folder
from .secret import Secret
from .urls import server_url

__all__ = ["SERVICE", "Kept", "KeyringEntry", "forget", "keep", "kept", "keyring_works"]

SERVICE = "recordroom"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept: a refresh token ("session") or an API key, whose it is, and for which server."""

    url: str
    user: str
    kind: Literal["session", "api_key"]
    secret: Secret


class KeyringEntry:
    """Where the refresh token of a session stays current: the `Keeper` of its credentials."""

    def __init__(self, url: str, user: str, folder: Path | None = None) -> None:
        self.url = server_url(url)
        self.user = user
        self._folder = folder

    def __repr__(self) -> str:
        return f"<KeyringEntry {self.user} at {self.url}>"

    def held(self) -> AbstractContextManager[None]:
        """A lock that one process has at a time."""
        return locked(self._folder or settings_folder(os.environ), f"keyring {_account(self.url, self.user)}")

    def read(self) -> Secret | None:
        """The refresh token that is kept."""
        found = kept(self.url, self.user)
        return found.secret if found is not None and found.kind == "session" else None

    def write(self, kept: Secret) -> None:
        """Keep this refresh token instead, where one is still kept: a log-out meanwhile stays one."""
        if self.read() is not None:
            keep(Kept(url=self.url, user=self.user, kind="session", secret=kept))


def keyring_works() -> bool:
    """Whether there is a keyring that keeps things; it is tried."""
    trial = Kept(url="https://recordroom.invalid", user="trial", kind="api_key", secret=Secret("trial"))
    try:
        keep(trial)
        return forget(trial.url, trial.user)
    except (KeyringUnavailable, MissingExtra):
        return False


def keep(what: Kept) -> None:
    """Keep it instead of what is kept for the same server and user; KeyringUnavailable where that does not work."""
    url = server_url(what.url)
    entry = {"kind": what.kind, "user": what.user, "url": url, "secret": what.secret.reveal()}
    _write(_account(url, what.user), entry)
    # Who logged in last, for those who name no user.
    _write(_account(url), {"user": what.user, "url": url})
    if kept(url, what.user) != msgspec.structs.replace(what, url=url):
        raise KeyringUnavailable(reason="what was written to it is not there")


def kept(url: str, user: str | None = None) -> Kept | None:
    """What is kept for a server and a user; without a user, for the one who logged in last."""
    url = server_url(url)
    whose = user or (_read(_account(url)) or {}).get("user")
    found = _read(_account(url, whose)) if whose else None
    if found is None or found.get("url") != url or not {"user", "secret"} <= {*found}:
        return None
    kind: Literal["session", "api_key"] = "api_key" if found.get("kind") == "api_key" else "session"
    return Kept(url=url, user=found["user"], kind=kind, secret=Secret(found["secret"]))


def forget(url: str, user: str) -> bool:
    """Keep it no longer; whether it was kept."""
    url = server_url(url)
    found = _read(_account(url, user)) is not None
    last = (_read(_account(url)) or {}).get("user")
    for account in [_account(url, user)] * found + [_account(url)] * (last == user):
        with _translated() as keyring:
            keyring.delete_password(SERVICE, account)
    return found


def _account(url: str, user: str = "") -> str:
    return f"{user} {url}".strip()


def _write(account: str, entry: dict[str, str]) -> None:
    with _translated() as keyring:
        keyring.set_password(SERVICE, account, msgspec.json.encode(entry).decode())


def _read(account: str) -> dict[str, str] | None:
    with _translated() as keyring:
        text = keyring.get_password(SERVICE, account)
    try:
        return None if text is None else msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


@contextlib.contextmanager
def _translated() -> Iterator[Any]:
    """The package, whose errors become ours; what they say may name the entry, never its secret."""
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise MissingExtra(package="keyring", extra="keyring") from None
    try:
        yield keyring
    except keyring.errors.NoKeyringError:
        raise KeyringUnavailable(reason="this machine has none that recordroom can use") from None
    except (keyring.errors.KeyringError, OSError, RuntimeError) as error:
        raise KeyringUnavailable(reason=f"it refuses ({type(error).__name__})") from None
