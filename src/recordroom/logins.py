"""`login`: a session with a server, for somebody who logs in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .client.asking import Trust
from .client.login import Method, Person, Wish, log_in, terminal
from .client.secret import Secret, secret
from .client.session import Session
from .client.target import target_of
from .connection import connect
from .errors import RoomNotFound

__all__ = ["login", "login_with_password"]


def login(  # noqa: PLR0913 - each is one thing that somebody may say
    url: str | None = None,
    user: str | None = None,
    *,
    method: Method | None = None,
    provider: str | None = None,
    persist: bool = False,
    code: str | None = None,
    access_token: str | None = None,
    refresh_token: str | None = None,
    id_token: str | None = None,
    profile: str | None = None,
    timeout: float = 300.0,
    ca_certs: str | Path | None = None,
    insecure: bool = False,
    open_browser: Callable[[str], object] | None = None,
    tell: Callable[[str], None] | None = None,
    **settings: Any,
) -> Session:
    """A session with the server at `url`, as `user`, who is asked for a password without echo.

    `method="browser"` or `"device"` signs on at a provider (`provider` names it where the server has several), `"keyring"`
    takes a log-in that was kept; without a method, the first that fits what the server offers. `access_token` and
    `refresh_token` are the server's own, or those of `provider`, as `id_token` is; `code` is a one-time code.

    `persist=True` keeps the log-in in the keyring of the system, and takes one that is kept, so that the same line runs
    unattended later. A log-in that nobody completes ends after `timeout` seconds. `open_browser` and `tell` are functions
    that open an address and show a line. `ca_certs`, `insecure` and `settings` are those of `connect`: database …

    NotAuthenticated where it does not work, and where nobody can be asked; it names the other ways.
    """
    target = target_of({"url": url, "user": user, "profile": profile}, os.environ)
    if target.url is None:
        raise RoomNotFound("Which server? Give login() its address, https://…, or set RECORDROOM_URL.", path=None)
    wish = Wish(
        url=target.url,
        user=user or os.environ.get("RECORDROOM_USER") or None,
        usual_user=target.user,
        method=method,
        provider=provider,
        persist=persist,
        code=_secret(code, "code"),
        access_token=_secret(access_token, "access_token"),
        refresh_token=_secret(refresh_token, "refresh_token"),
        id_token=_secret(id_token, "id_token"),
        timeout=timeout,
        trust=_trust(ca_certs, insecure),
    )
    return _session(wish, terminal(open_browser, tell), profile=profile, **settings)


def login_with_password(  # noqa: PLR0913 - each is one thing that somebody may say
    url: str,
    user: str,
    password: str,
    *,
    persist: bool = False,
    ca_certs: str | Path | None = None,
    insecure: bool = False,
    **settings: Any,
) -> Session:
    """A session with the server at `url`, as `user`. With `persist`, the log-in (not the password) is kept in the keyring.

    NotAuthenticated for a wrong password, TooManyAttempts after several. `settings` are those of `connect`.
    """
    trust = _trust(ca_certs, insecure)
    wish = Wish(url=url, user=user, password=Secret(password), persist=persist, trust=trust)
    return _session(wish, terminal(), **settings)


def _session(wish: Wish, person: Person, **settings: Any) -> Session:
    credentials = log_in(wish, person)
    given = {"ca_certs": wish.trust.ca_certs, "insecure": wish.trust.insecure or None, **settings}
    return connect(wish.url, credentials=credentials, **given)


def _trust(ca_certs: str | Path | None, insecure: bool) -> Trust:
    return Trust(ca_certs=None if ca_certs is None else str(ca_certs), insecure=insecure)


def _secret(text: str | None, what: str) -> Secret | None:
    return None if text is None else secret(text, what)
