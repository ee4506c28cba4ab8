"""Settings of a server: from a file (TOML), from the environment, from flags; the later win, each setting by itself.

`room` and `[limits] body` of the file are `RECORDROOM_SERVER_ROOM` and `RECORDROOM_SERVER_LIMITS_BODY` in the
environment. A value there is text, or TOML where the setting is no text. What is unknown or wrong is refused by name.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from ..errors import InvalidSettings
from ..model.schema import close_names
from .auth.settings import AuthSettings
from .limits import Limits
from .mail import MailSettings

__all__ = ["PREFIX", "JobSettings", "Loaded", "ServerSettings", "WebhookSettings", "load", "without_password"]

PREFIX = "RECORDROOM_SERVER_"
_SECRET = ("client_secret", "password")


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[webhooks]`. `private` allows addresses of private networks and of this machine."""

    enabled: bool = True
    private: bool = False


class JobSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[jobs]`. Processes that each serving process starts when there are jobs; 0: none, for who runs `recordroom worker`."""

    workers: int = 1
    lease_seconds: float = 60.0
    idle_seconds: float = 30.0


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set for `recordroom serve`.

    Beyond loopback a server listens only with `tls_cert` and `tls_key` (files), or with `behind_proxy`: a proxy on
    one of the addresses `proxies` then does TLS, and is believed who the client is. `url` is the address that clients
    use, where it is another. `workers` is how many processes serve a room on PostgreSQL; 0 is one for each core.
    `files` is where the bytes of components lie, a folder or `s3://…`; the room keeps it as its own setting.
    `dialects` are other systems' interfaces that are answered too, by name: "ftrack".
    `log_requests` "problems" logs requests that failed in the server, or took longer than `slow_seconds`.
    """

    room: str = ""
    host: str = "127.0.0.1"
    port: int = 8765
    url: str = ""
    workers: int = 1
    dialects: tuple[str, ...] = ()
    files: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    behind_proxy: bool = False
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    graceful_seconds: float = 30.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "text", "json"] = "auto"
    log_requests: Literal["all", "problems"] = "problems"
    slow_seconds: float = 1.0
    limits: Limits = Limits()
    auth: AuthSettings = AuthSettings()
    webhooks: WebhookSettings = WebhookSettings()
    jobs: JobSettings = JobSettings()
    mail: MailSettings = MailSettings()


class Loaded(NamedTuple):
    """The settings, and where each one that was given came from, by its dotted name."""

    settings: ServerSettings
    sources: dict[str, str]

    def lines(self) -> Iterator[tuple[str, Any, str]]:
        """(name, value, source) of every setting; secrets are masked."""
        for name, value in _flat(msgspec.to_builtins(self.settings), ""):
            source = next((self.sources[each] for each in _above(name) if each in self.sources), "default")
            yield name, _masked(name, value), source


def load(file: str | Path | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Loaded:
    """Settings from all three; InvalidSettings says which setting of which source is wrong."""
    tree: dict[str, Any] = {}
    sources: dict[str, str] = {}
    if file is not None:
        _merge(tree, _read(Path(file)), str(file), sources)
    for variable in sorted(environment):
        if variable.startswith(PREFIX) and variable != f"{PREFIX}CONFIG":
            path = _path_of(variable)
            _merge(tree, _nested(path, _value(path, environment[variable])), variable, sources)
    given = {name: value for name, value in flags.items() if value is not None}
    for name, value in given.items():
        _merge(tree, {name: value}, f"--{name.replace('_', '-')}", sources)
    return Loaded(_checked(_converted(tree, sources)), sources)


# --- sources --------------------------------------------------------------------------------------


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidSettings(where=str(file), reason="there is no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(where=str(file), reason=str(error)) from error


def _merge(tree: dict[str, Any], found: Mapping[str, Any], source: str, sources: dict[str, str], at: str = "") -> None:
    known = _fields(at)
    for name, value in found.items():
        dotted = f"{at}{name}"
        if known is not None and name not in known:
            reason = f"there is no setting {dotted!r}"
            raise InvalidSettings(where=source, reason=reason, suggestions=close_names(name, known))
        if isinstance(value, dict) and _fields(f"{dotted}.") is not None:
            _merge(tree.setdefault(name, {}), value, source, sources, f"{dotted}.")
        else:
            tree[name] = value
            sources[dotted] = source


def _fields(at: str) -> tuple[str, ...] | None:
    """The settings below a dotted name; None where it is no table of settings."""
    found: Any = ServerSettings
    for name in filter(None, at.split(".")):
        found = next((each.type for each in msgspec.structs.fields(found) if each.name == name), None)
        if not (isinstance(found, type) and issubclass(found, msgspec.Struct)):
            return None
    names: tuple[str, ...] = found.__struct_fields__
    return names


def _path_of(variable: str) -> list[str]:
    """`RECORDROOM_SERVER_LIMITS_BODY` is limits.body."""
    rest, path = variable.removeprefix(PREFIX).lower(), ""
    for table in ("limits", "auth", "webhooks", "jobs", "mail"):
        if rest.startswith(f"{table}_"):
            path, rest = f"{table}.", rest.removeprefix(f"{table}_")
    known = _fields(path) or ()
    if rest not in known:
        variables = [f"{PREFIX}{path.replace('.', '_')}{name}".upper() for name in known]
        reason = "there is no such setting"
        raise InvalidSettings(where=variable, reason=reason, suggestions=close_names(variable, variables))
    return [*filter(None, path.split(".")), rest]


def _value(path: list[str], text: str) -> Any:
    """The value of a variable: as TOML, unless the setting is a text or it is none."""
    owner: Any = ServerSettings
    for name in path[:-1]:
        owner = next(each.type for each in msgspec.structs.fields(owner) if each.name == name)
    field = next(each for each in msgspec.structs.fields(owner) if each.name == path[-1])
    if isinstance(field.default, str):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _nested(path: list[str], value: Any) -> dict[str, Any]:
    for name in reversed(path):
        value = {name: value}
    found: dict[str, Any] = value
    return found


# --- checks ---------------------------------------------------------------------------------------


def _converted(tree: dict[str, Any], sources: Mapping[str, str]) -> ServerSettings:
    try:
        return msgspec.convert(tree, ServerSettings)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        name = path.strip("`.").replace("[...]", "")
        source = next((sources[each] for each in _above(name) if each in sources), "settings")
        raise InvalidSettings(where=source, reason=f"{name}: {message[:1].lower()}{message[1:]}") from None


def _checked(settings: ServerSettings) -> ServerSettings:
    if bool(settings.tls_cert) != bool(settings.tls_key):
        raise InvalidSettings(where="settings", reason="tls_cert and tls_key go together")
    if not 0 <= settings.port <= 65535:
        raise InvalidSettings(where="settings", reason=f"port: expected 0 to 65535, got {settings.port}")
    if settings.workers < 0:
        raise InvalidSettings(where="settings", reason=f"workers: expected 0 or more, got {settings.workers}")
    for name, value in _flat(msgspec.to_builtins(settings), ""):
        if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
            raise InvalidSettings(where="settings", reason=f"{name}: expected 0 or more, got {value}")
    return settings


def _above(name: str) -> Iterator[str]:
    """A dotted name and those it stands below, nearest first."""
    while name:
        yield name
        name = name.rpartition(".")[0]


def _flat(tree: Mapping[str, Any], at: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict) and _fields(f"{at}{name}.") is not None:
            yield from _flat(value, f"{at}{name}.")
        else:
            yield f"{at}{name}", value


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(key, each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(name, each) for each in value]
    if value and name.rpartition(".")[2] in _SECRET:
        return "***"
    if name == "room" and "://" in str(value):
        return without_password(value)
    return value


def without_password(address: str) -> str:
    """An address as it may be shown."""
    scheme, mark, rest = address.partition("://")
    login, at, host = rest.rpartition("@")
    user, _, _ = login.partition(":")
    shown = f"{scheme}{mark}{user}{at}{host}" if at else address
    head, question, query = shown.partition("?")
    parts = [part for part in query.split("&") if part and not part.lower().startswith("password=")]
    return head + (question + "&".join(parts) if parts else "")
