"""`recordroom serve` and `recordroom config`: one room for many people, over the network."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ..errors import MissingExtra
from .apps import repeated, switch
from .output import note, print_json, print_json_lines, print_table, say
from .rooms import VARIABLE, Json, Room, UsageError, Words, open_session

if TYPE_CHECKING:
    from ..server.process import Started
    from ..server.settings import Loaded

__all__ = ["config", "serve"]

CONFIG_VARIABLE = "RECORDROOM_SERVER_CONFIG"

Config = Annotated[str | None, Parameter(name="--config", help="A file of settings (TOML).")]
Host = Annotated[str | None, Parameter(name="--host", help="The address to listen on (127.0.0.1).")]
Port = Annotated[int | None, Parameter(name="--port", help="The port to listen on (8765); 0 is any that is free.")]
Workers = Annotated[int | None, Parameter(name="--workers", help="Processes for a room on PostgreSQL; 0: one a core.")]
Cert = Annotated[str | None, Parameter(name="--tls-cert", help="The certificate, a file (PEM).")]
Key = Annotated[str | None, Parameter(name="--tls-key", help="Its key, a file (PEM).")]
Proxy = Annotated[
    bool | None,
    switch("--behind-proxy", "A proxy in front does TLS and says who the client is."),
]
Url = Annotated[str | None, Parameter(name="--url", help="The address that clients use, where it is another.")]
Dialect = Annotated[
    tuple[str, ...] | None,
    repeated("--dialect", "Another system's interface to answer too: ftrack."),
]
Template = Annotated[
    str | None, Parameter(name="--template", help="Give the room what it lacks of a template first, as template apply.")
]
Files = Annotated[
    str | None, Parameter(name="--files", help="Where the bytes of components lie: a folder, s3://…, gs://…, az://….")
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"] | None, Parameter(name="--log-level", help="How much is logged.")
]
LogFormat = Annotated[
    Literal["auto", "text", "json"] | None, Parameter(name="--log-format", help="How the log is written.")
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeFlags:
    """The settings that `serve` and `config` take as options."""

    config: Config = None
    host: Host = None
    port: Port = None
    workers: Workers = None
    tls_cert: Cert = None
    tls_key: Key = None
    behind_proxy: Proxy = None
    url: Url = None
    dialect: Dialect = None
    files: Files = None
    log_level: LogLevel = None
    log_format: LogFormat = None


Flags = Annotated[ServeFlags, Parameter(name="*")]
NO_FLAGS = ServeFlags()


def serve(
    *words: Words,
    flags: Flags = NO_FLAGS,
    template: Template = None,
    room: Room = None,
    json: Json = False,
) -> None:
    """Serve a room over HTTP until Ctrl-C or SIGTERM; SIGHUP reads the settings again.

    The first start makes accounts and an administrator, and says how to log in once.

    For example:

        recordroom serve studio.room
        recordroom serve 'postgresql://user@host/studio' --workers 4 --behind-proxy
        recordroom serve studio.room --template production --dialect ftrack
        recordroom serve --config /etc/recordroom/server.toml
    """
    given = _given(words, room, flags)
    loaded = _load(flags.config, given)  # what is wrong is said before anything starts
    if template is not None:
        _apply(loaded.settings.room, template)
    from ..server.process import main

    main(lambda: _load(flags.config, given).settings, lambda started: _tell(started, as_json=json))


def config(
    *words: Words,
    flags: Flags = NO_FLAGS,
    room: Room = None,
    json: Json = False,
) -> None:
    """Show the settings that `recordroom serve` would have, and where each comes from.

    A file (TOML) is beaten by the environment (RECORDROOM_SERVER_PORT, RECORDROOM_SERVER_LIMITS_BODY …), which is
    beaten by flags. Secrets are masked.

    For example:

        recordroom config --config server.toml --port 9000
    """
    lines = list(_load(flags.config, _given(words, room, flags)).lines())
    if json:
        print_json({name: {"value": value, "from": source} for name, value, source in lines})
    else:
        print_table(["setting", "value", "from"], [[name, _shown(value), source] for name, value, source in lines])


def _given(words: tuple[str, ...], room: str | None, flags: ServeFlags) -> dict[str, Any]:
    """The settings that the command line says."""
    if len(words) > 1 or (words and room is not None):
        raise UsageError(f"expected the arguments [ROOM]; got {' '.join(map(repr, words))}")
    said = dataclasses.asdict(flags)
    del said["config"]
    dialects = said.pop("dialect") or None
    return {"room": words[0] if words else room, "dialects": dialects, **said}


def _load(config: str | None, flags: dict[str, Any]) -> Loaded:
    try:
        from ..server.settings import load
    except ImportError as error:
        raise MissingExtra(package=str(error.name), extra="server") from error
    loaded = load(config or os.environ.get(CONFIG_VARIABLE) or None, os.environ, flags)
    if not loaded.settings.room and os.environ.get(VARIABLE):
        return load(config, os.environ, {**flags, "room": os.environ[VARIABLE]})
    return loaded


def _apply(room: str, template: str) -> None:
    with open_session(room, "main", mode="write", create=True) as session:
        done = session.apply_template(template)
    if done.operations:
        note(f"The room has the template {template} now.")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _tell(started: Started, *, as_json: bool) -> None:
    if as_json:
        print_json_lines([{"url": started.url, "code": started.code, "process": os.getpid()}])
        return
    say(f"Serving at {started.url} (stop with Ctrl-C)")
    if started.code is not None:
        note("The room has accounts now. Log in once, as administrator, with")
        note(f"  recordroom login {started.url} --code {started.code}")
