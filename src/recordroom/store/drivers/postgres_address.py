"""Where a room on PostgreSQL lies: a URL of libpq with `schema` as one more parameter, and its safe-to-show form."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ...errors import InvalidValue

__all__ = ["Address", "parse_address"]

DEFAULT_SCHEMA = "recordroom"
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
_CONNECT_SECONDS = 10
_EXPECTED = (
    "postgresql://user:password@host:port/database?schema=name, with percent codes for the marks"
    " in the password (%40 for @, %2F for /, %3A for :, %3F for ?)"
)


class Address(NamedTuple):
    """`parameters` are for libpq; `where` is what people may see: the URL without its secrets."""

    parameters: dict[str, Any]
    where: str
    schema: str


def parse_address(url: str) -> Address:
    """The address that `url` gives; InvalidValue, which shows nothing of the URL, where it gives none."""
    base, _, query = url.partition("?")
    items = query.split("&") if query else []
    schemas = [unquote(item.partition("=")[2]) for item in items if _key(item) == "schema"]
    others = [item for item in items if _key(item) != "schema"]
    # A ? in a password that is not encoded makes the rest of the URL look like parameters.
    if "@" in query:
        raise _unreadable()
    parameters = _parameters(f"{base}?{'&'.join(others)}" if others else base)
    shown = [item for item in items if _key(item) not in _SECRETS]
    where = _without_password(base) + (f"?{'&'.join(shown)}" if shown else "")
    return Address(parameters, where, _schema_name(schemas))


def _key(item: str) -> str:
    return unquote(item.partition("=")[0])


def _schema_name(given: list[str]) -> str:
    name = given[-1] if given else DEFAULT_SCHEMA
    if len(set(given)) > 1 or not _SCHEMA.fullmatch(name) or name.lower().startswith("pg_"):
        expected = "one name of up to 63 ASCII letters, digits and _, not starting with a digit or pg_"
        raise InvalidValue(type="room", attribute="schema", value=name, expected=expected)
    return name


def _unreadable() -> InvalidValue:
    return InvalidValue(type="room", attribute="where", value="postgresql://…", expected=_EXPECTED)


def _parameters(conninfo: str) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    wrong = True
    try:
        parameters = dict(conninfo_to_dict(conninfo))
    except psycopg.Error:
        pass  # What libpq says would show pieces of the password.
    else:
        # A mark in the password that is not encoded makes the rest of it look like a host, a port or a database.
        wrong = any("@" in str(parameters.get(key, "")) for key in ("host", "port", "dbname"))
        wrong = wrong or not re.fullmatch(r"[0-9,]*", str(parameters.get("port", "")))
    if wrong:
        raise _unreadable()
    parameters.setdefault("connect_timeout", _CONNECT_SECONDS)
    parameters.setdefault("fallback_application_name", "recordroom")
    return parameters


def _without_password(base: str) -> str:
    scheme, _, rest = base.partition("://")
    authority, slash, path = rest.partition("/")
    account, at, hosts = authority.rpartition("@")
    return f"{scheme}://{account.partition(':')[0]}{at}{hosts}{slash}{path}"
