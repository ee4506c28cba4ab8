"""Profiles: what a user says once about each room, in `profiles.toml` of their settings folder.

Only its owner may read the file, or it is refused. It is written as a whole, under a lock; comments in it are not kept.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..errors import Error, InvalidValue, UnknownName
from ..model.schema import close_names
from .folder import checked, locked, settings_folder, write_whole
from .secret import Secret, secret
from .urls import is_server, server_url

__all__ = ["Profile", "ProfileFile", "Profiles", "same_room", "shown_url"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HEAD = "# Written by recordroom; only you may read it. `recordroom profile --help` tells more.\n"


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A room and who one is there. `keyring`: the keyring of the system holds the log-in of `user`."""

    name: str
    url: str
    database: str | None = None
    project: str | None = None
    user: str | None = None
    api_key: Secret | None = None
    keyring: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise _invalid("name", self.name, "letters, digits, '.', '_' and '-', at most 64")
        if (self.api_key is not None or self.keyring) and not is_server(self.url):
            raise _invalid("url", shown_url(self.url), "a server, https://…, where there is a key or a log-in")
        if is_server(self.url):
            server_url(self.url)

    def __repr__(self) -> str:
        return f"<Profile {self.name} {shown_url(self.url)}>"

    def described(self) -> dict[str, Any]:
        """What may be shown of it."""
        shown = {"name": self.name, "url": shown_url(self.url), "database": self.database, "project": self.project}
        login = "keyring" if self.keyring else "API key" if self.api_key is not None else None
        return {**shown, "user": self.user, "login": login}


class Profiles(msgspec.Struct, frozen=True, kw_only=True):
    """All profiles, and which is used where none is named."""

    profiles: dict[str, Profile] = {}
    default: str | None = None

    def get(self, name: str) -> Profile:
        """The profile of a name; UnknownName."""
        if name not in self.profiles:
            suggestions = close_names(name, self.profiles)
            raise UnknownName(f"There is no profile {name!r}.", name=name, suggestions=suggestions)
        return self.profiles[name]

    def with_profile(self, profile: Profile) -> Profiles:
        """These and another, or another in the place of one of the same name; the first is the default."""
        found = {**self.profiles, profile.name: profile}
        return Profiles(profiles=found, default=self.default or profile.name)

    def without(self, name: str) -> Profiles:
        """These but one; UnknownName."""
        gone = self.get(name).name
        found = {each: profile for each, profile in self.profiles.items() if each != gone}
        return Profiles(profiles=found, default=None if self.default == gone else self.default)

    def with_default(self, name: str) -> Profiles:
        """These, with another default; UnknownName."""
        return Profiles(profiles=self.profiles, default=self.get(name).name)


class ProfileFile:
    """The file in a user's settings folder."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.folder = settings_folder(environ)

    @property
    def path(self) -> Path:
        """Where it is, or would be."""
        return self.folder / "profiles.toml"

    def read(self) -> Profiles:
        """What it says; none where there is no file.

        PermissionDenied where others can read it, InvalidValue for what is wrong in it.
        """
        if not checked(self.path):
            return Profiles()
        try:
            document = tomllib.loads(self.path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            # A message of the parser names a place; it quotes at most one letter.
            raise self._wrong(str(error)) from None
        return self._profiles(document)

    def change(self, what: Callable[[Profiles], Profiles]) -> Profiles:
        """Write what a function makes of the profiles; no other process changes them meanwhile."""
        with locked(self.folder, "profiles"):
            changed = what(self.read())
            write_whole(self.path, _toml(changed))
        return changed

    def _profiles(self, document: Mapping[str, Any]) -> Profiles:
        tables, default = document.get("profiles", {}), document.get("default")
        if not isinstance(tables, dict) or not isinstance(default, str | None):
            raise self._wrong("expected a text `default` and tables [profiles.NAME]")
        found = {name: self._profile(name, table) for name, table in tables.items()}
        return Profiles(profiles=found, default=default if default in found else None)

    def _profile(self, name: str, table: Any) -> Profile:
        if not isinstance(table, dict):
            raise self._wrong(f"profile {name}: expected a table")
        settings = {**table}
        for setting, value in settings.items():
            if setting not in _SETTINGS:
                known = ", ".join(_SETTINGS)
                raise self._wrong(f"profile {name}: there is no setting {setting!r}; there are {known}")
            if not isinstance(value, _SETTINGS[setting]):
                raise self._wrong(f"profile {name}: {setting} must be a {_SETTINGS[setting].__name__}")
        if "url" not in settings:
            raise self._wrong(f"profile {name} has no url")
        try:
            if "api_key" in settings:
                settings["api_key"] = secret(settings["api_key"], "api_key")
            return Profile(name=name, **settings)
        except Error as error:
            raise self._wrong(f"profile {name}: {error.message}") from None

    def _wrong(self, reason: str) -> InvalidValue:
        return InvalidValue(
            f"{self.path}: {reason.rstrip('.')}.",
            type="Profile",
            attribute="file",
            value=str(self.path),
            expected=reason,
        )


_SETTINGS = {"url": str, "database": str, "project": str, "user": str, "api_key": str, "keyring": bool}


def same_room(one: str, other: str) -> bool:
    """Whether two addresses mean the same room."""
    if is_server(one) and is_server(other):
        return server_url(one) == server_url(other)
    return not is_server(one) and not is_server(other) and Path(one) == Path(other)


def shown_url(url: str) -> str:
    """An address without what may be secret in it."""
    if is_server(url):
        return url
    hidden = re.sub(r"(?<=://)([^/@:]*):[^@/]*@", r"\1@", url)
    return re.sub(r"([?&]password=)[^&]*", r"\1…", hidden)


def _toml(profiles: Profiles) -> str:
    lines = [_HEAD]
    if profiles.default is not None:
        lines.append(f"default = {_text(profiles.default)}\n")
    for profile in profiles.profiles.values():
        lines.append(f"\n[profiles.{_text(profile.name)}]\n")
        lines += [f"{name} = {_value(value)}\n" for name in _SETTINGS if (value := getattr(profile, name))]
    return "".join(lines)


def _value(value: str | bool | Secret) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value.reveal() if isinstance(value, Secret) else value)


def _text(text: str) -> str:
    """A basic string of TOML: JSON's, but that DEL is escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _invalid(attribute: str, value: str, expected: str) -> InvalidValue:
    return InvalidValue(type="Profile", attribute=attribute, value=value, expected=expected)
