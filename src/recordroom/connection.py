"""`connect`: the one place that chooses how a session reaches its room."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .client.extending import Beginning, begin
from .client.session import Session
from .client.urls import is_loopback, is_server
from .errors import InvalidValue, RoomNotFound

if TYPE_CHECKING:
    from .client.credentials import Credentials
    from .client.keys import KeyMaker
    from .client.retry import Retry
    from .client.target import Target
    from .client.transport import Transport

__all__ = ["connect"]

VARIABLE = "RECORDROOM_URL"
_IN_PROCESS = "a room in this process: a folder or postgresql://…"
_AT_A_SERVER = "a server: http(s)://…"


def connect(  # noqa: PLR0913 - each is one thing that the user may say
    where: str | Path | None = None,
    *,
    database: str | None = None,
    project: str | None = None,
    profile: str | None = None,
    page_size: int = 1000,
    actor: str | None = None,
    mode: Literal["read", "write"] | None = None,
    create: bool | None = None,
    wait: float | None = None,
    api_key: str | None = None,
    access_token: str | None = None,
    credentials: Credentials | None = None,
    timeout: float | tuple[float, float] | None = None,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    ca_certs: str | Path | None = None,
    retry: Retry | None = None,
    insecure: bool | None = None,
    cache: Any = None,
    cache_key_maker: KeyMaker | None = None,
    schema_cache: str | Path | Literal[False] | None = None,
    plugins: Sequence[str | Path] | Literal[False] | None = None,
    plugin_arguments: Mapping[str, Any] | None = None,
    connect_events: bool = False,
    **settings: Any,
) -> Session:
    """A session with a room: a folder such as `studio.room`, `postgresql://…`, or a server, `https://…`.

    Without `where`, the environment variable RECORDROOM_URL says it, or a profile. `database` is "main" where neither it nor
    they say another; `project` is for scripts to read from the session.

    A folder is made if there is none; `create=False` raises RoomNotFound instead. One process at a time may have an
    embedded room open for writing: another gets RoomLocked after `wait` seconds, or opens it with mode="read". Sessions of
    one process share a room. `actor` is the name in its history. `settings` change the room's settings.

    A server knows you by `api_key` (or RECORDROOM_API_KEY, a profile, or a log-in that was kept) or `access_token`.
    `timeout` is in seconds, or (seconds to connect, seconds to read); `headers` and `cookies` go with every request;
    `ca_certs` is a file of certificates to trust; `retry` says how requests are tried again. A credential is sent over
    http:// to this machine only, unless `insecure=True`. With `cache=True`, or a folder, entities that were loaded by id
    are kept on disk for the next session and not sent again while they are unchanged. `cache` may also be one of your own
    (`recordroom.client.caches`), or a function that gives one for the session; `cache_key_maker` makes its keys. What a
    database's types are is kept in the folder `schema_cache`, in RECORDROOM_SCHEMA_CACHE or beside other caches; False keeps it nowhere.

    `plugins` are folders (or files) of plugins instead of those in RECORDROOM_PLUGINS and of installed packages; False for
    none. Each gets of `plugin_arguments` what it takes. With `connect_events`, a thread delivers the room's events.
    """
    from .client.target import target_of

    if where is not None and not isinstance(where, str | PathLike):
        raise InvalidValue(
            type="connect", attribute="where", value=where, expected="a folder or an address, as text or a path"
        )
    named = {"url": where, "database": database, "project": project, "profile": profile, "api_key": api_key}
    target = target_of({**named, "url": None if where is None else str(where)}, os.environ)
    if not target.url:
        raise RoomNotFound(
            f'Which room? Give connect("studio.room") a folder, postgresql://… or https://…, or set {VARIABLE}.',
            path=None,
        )
    own = None if cache is None or isinstance(cache, bool | str | Path) else cache
    embedded = {"actor": actor, "mode": mode, "create": create, "wait": wait, **settings}
    served = {
        "api_key": api_key,
        "access_token": access_token,
        "credentials": credentials,
        "timeout": timeout,
        "headers": headers,
        "cookies": cookies,
        "ca_certs": ca_certs,
        "retry": retry,
        "insecure": insecure,
        "cache": cache if own is None else None,
        "schema_cache": schema_cache,
    }
    transport = _remote(target, embedded, served) if is_server(target.url) else _room(target.url, embedded, served)
    try:
        session = Session(transport, database=target.database or "main", page_size=page_size)
        session.project = target.project
        session.schema  # noqa: B018 - a database that there is not is an error now, not later
    except BaseException:
        transport.close()
        raise
    try:
        begin(session, Beginning(plugins, plugin_arguments, own, cache_key_maker, connect_events))
    except BaseException:
        session.close()
        raise
    return session


def _room(where: str, given: Mapping[str, Any], others: Mapping[str, Any]) -> Transport:
    _refuse(others, _AT_A_SERVER, where)
    # The store is imported where it is needed, so that `import recordroom` stays quick.
    from .store.room import Room

    return Room.open(where, **{name: value for name, value in given.items() if value is not None})


def _remote(target: Target, others: Mapping[str, Any], given: Mapping[str, Any]) -> Transport:
    _refuse(others, _IN_PROCESS, str(target.url))
    from .client.calls import Caller
    from .client.http import Options, timeouts
    from .client.remote import RemoteRoom
    from .client.schema_cache import SchemaCache

    where, credentials = str(target.url), _credentials(target, given)
    if not given["insecure"]:
        _check_private(where)
    options = Options(
        headers=given["headers"] or {},
        cookies=given["cookies"] or {},
        ca_certs=None if given["ca_certs"] is None else str(given["ca_certs"]),
        **timeouts(given["timeout"]),
    )
    schemas = None if given["schema_cache"] is False else SchemaCache.of(given["schema_cache"])
    room = RemoteRoom(Caller(where, credentials, options=options, retry=given["retry"]), schemas=schemas)
    if not given["cache"]:
        return room
    from .client.cache import CachedRoom, cache_folder

    return CachedRoom(room, cache_folder() if given["cache"] is True else Path(given["cache"]))


def _credentials(target: Target, given: Mapping[str, Any]) -> Credentials:
    from .client.asking import Trust
    from .client.credentials import credentials_of
    from .client.login import credentials_for

    ca_certs = given["ca_certs"]
    trust = Trust(ca_certs=None if ca_certs is None else str(ca_certs), insecure=bool(given["insecure"]))
    found: Credentials | None = given["credentials"]
    if found is None:
        found = credentials_of(str(target.url), access_token=given["access_token"])
    return credentials_for(target, trust) if found is None else found


def _refuse(others: Mapping[str, Any], what: str, where: str) -> None:
    """Arguments that make no sense for this kind of place are a mistake, not nothing."""
    from .client.profiles import shown_url

    for name, value in others.items():
        if value is not None:
            raise InvalidValue(
                f"{name}= is for {what}; {shown_url(where)} is none.",
                type="connect", attribute=name, value="…", expected=f"nothing: {name} is for {what}",
            )  # fmt: skip


def _check_private(where: str) -> None:
    if where.startswith("http://") and not is_loopback(where):
        expected = "https://, or insecure=True where you trust everything between here and there"
        raise InvalidValue(
            f"No credential is sent to {where}: it would travel in the open. Use {expected}.",
            type="connect", attribute="where", value=where, expected=expected,
        )  # fmt: skip
