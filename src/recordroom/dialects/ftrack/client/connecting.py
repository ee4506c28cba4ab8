"""Where a session goes and as whom: arguments, or the environment variables that ftrack's scripts know."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ....client.session import Session as NativeSession
from ....client.urls import is_server
from ....connection import connect
from ..names import Names, lacks_production, names_of
from .exception import ServerCompatibilityError, _NotAuthenticated, translated
from .natives import Native

__all__ = ["SessionAuthentication", "Wanted", "connected", "names_in", "wanted"]


class SessionAuthentication:
    """Puts what authenticates a session into the headers of a request, as `requests` lets one."""

    def __init__(self, api_key: str, api_user: str) -> None:
        self.api_key = api_key
        self.api_user = api_user

    def __call__(self, request: Any) -> Any:
        """The request with those headers."""
        request.headers.update({"ftrack-api-key": self.api_key, "ftrack-user": self.api_user})
        return request


class Wanted(NamedTuple):
    """What a session is asked for, environment variables counted in."""

    server_url: str
    api_key: str | None
    api_user: str | None
    schema_cache_path: Any
    timeout: float | None
    cookies: Mapping[str, str] | None
    headers: dict[str, str]
    cache: Any
    cache_key_maker: Any

    @property
    def is_server(self) -> bool:
        """Whether it is at a server, and not in this process."""
        return is_server(self.server_url)


def wanted(  # noqa: PLR0913 - what the constructor of a session takes
    server_url: str | None,
    api_key: str | None,
    api_user: str | None,
    schema_cache_path: Any,
    timeout: float | None,
    cookies: Mapping[str, str] | None,
    headers: Mapping[str, str] | None,
    strict_api: bool,
    cache: Callable[[], Any],
    cache_key_maker: Any,
) -> Wanted:
    """What is asked for. TypeError where the server, or at a server the credentials, are not said."""
    url = server_url or os.environ.get("FTRACK_SERVER")
    if not url:
        raise TypeError('Required "server_url" not specified. Pass it, or set the environment variable FTRACK_SERVER.')
    key = api_key or os.environ.get("FTRACK_API_KEY")
    user = api_user or os.environ.get("FTRACK_API_USER")
    if is_server(url):
        for name, value, variable in (("api_key", key, "FTRACK_API_KEY"), ("api_user", user, "FTRACK_API_USER")):
            if not value:
                raise TypeError(
                    f'Required "{name}" not specified. Pass it, or set the environment variable {variable}.'
                )
    if schema_cache_path is None:
        schema_cache_path = os.environ.get("FTRACK_API_SCHEMA_CACHE_PATH")
    sent = {**({"ftrack-strict-api": "true"} if strict_api else {}), **(headers or {})}
    return Wanted(url.rstrip("/"), key, user, schema_cache_path, timeout, cookies, sent, cache(), cache_key_maker)


def connected(wanted: Wanted) -> NativeSession:
    """The session behind. ServerError where it cannot be reached; the same and AuthenticationError for wrong credentials."""
    with translated():
        native = connect(wanted.server_url, plugins=False, page_size=1000, **_arguments(wanted))
    native._base = Native
    if wanted.is_server and native.transport.actor != wanted.api_user:
        native.close()
        raise _NotAuthenticated(
            f"Server reported error: AuthenticationError(The API key is not one of the user {wanted.api_user!r}.)"
        )
    return native


def _arguments(wanted: Wanted) -> dict[str, Any]:
    common = {"cache": wanted.cache, "cache_key_maker": wanted.cache_key_maker} if wanted.cache is not None else {}
    if not wanted.is_server:
        return {"create": False, "actor": wanted.api_user, **common}
    schemas = wanted.schema_cache_path
    return {
        "api_key": wanted.api_key,
        "timeout": wanted.timeout,
        "headers": wanted.headers,
        "cookies": wanted.cookies,
        "schema_cache": schemas if schemas is False or schemas is None else str(schemas),
        **common,
    }


def names_in(native: NativeSession) -> Names:
    """The dialect's names of a room's types. ServerCompatibilityError where it has not those of production tracking."""
    if lacks_production(native.schema):
        where = native.transport.where
        native.close()
        raise ServerCompatibilityError(
            f"{where} has not the types of production tracking: apply the template 'production' to it"
        )
    return names_of(native.schema)
