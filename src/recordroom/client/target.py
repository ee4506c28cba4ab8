"""Which room, as whom: an argument beats the environment, which beats a profile, each setting for itself.

A profile is about its room: where another room is named closer by (by an argument, or by the environment while the
profile is only the default), nothing of the profile counts. Its key or log-in is used for its own address and its own user
only, whatever else counts. The same holds for RECORDROOM_API_KEY beside a RECORDROOM_URL that an argument overrides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .profiles import Profile, ProfileFile, Profiles, same_room, shown_url
from .secret import Secret, secret
from .urls import is_server, server_url

__all__ = ["Target", "target_of"]

_URL, _KEY, _USER, _PROFILE = "RECORDROOM_URL", "RECORDROOM_API_KEY", "RECORDROOM_USER", "RECORDROOM_PROFILE"
_DATABASE, _PROJECT = "RECORDROOM_DATABASE", "RECORDROOM_PROJECT"
# How close by something was said: the higher wins.
_BY_DEFAULT, _BY_ENVIRONMENT, _BY_ARGUMENT = range(3)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What was said about a room. At most one of `api_key` and `keyring` is there."""

    url: str | None = None
    database: str | None = None
    project: str | None = None
    user: str | None = None
    profile: str | None = None
    api_key: Secret | None = None
    keyring: bool = False

    def __repr__(self) -> str:
        return f"<Target {shown_url(self.url or '')} {self.database or ''}>"


def target_of(arguments: Mapping[str, Any], environ: Mapping[str, str]) -> Target:
    """What counts of arguments (url, database, project, user, api_key, profile; None where not given) and the rest.

    UnknownName for a profile that there is not. The file of profiles is not read where it cannot matter.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    url, closeness = _address(given, environ)
    profile, chosen = _profile(given, environ, url)
    if profile is not None and url is not None and not same_room(url, profile.url) and chosen < closeness:
        profile = None
    if url is None and profile is not None:
        url = profile.url
    if url is None:
        return Target()
    target = Target(
        url=server_url(url) if is_server(url) else url,
        database=_setting("database", _DATABASE, given, environ, profile),
        project=_setting("project", _PROJECT, given, environ, profile),
        user=_setting("user", _USER, given, environ, profile),
        profile=profile.name if profile is not None else None,
    )
    return _with_login(target, given, environ, profile)


def _address(given: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str | None, int]:
    if "url" in given:
        return str(given["url"]), _BY_ARGUMENT
    # A profile that an argument names is closer than an address in the environment.
    if environ.get(_URL) and "profile" not in given:
        return environ[_URL], _BY_ENVIRONMENT
    return None, _BY_DEFAULT


def _profile(given: Mapping[str, Any], environ: Mapping[str, str], url: str | None) -> tuple[Profile | None, int]:
    """The profile that is named or the default, and how close by it is named."""
    if "profile" in given:
        return ProfileFile(environ).read().get(given["profile"]), _BY_ARGUMENT
    if name := environ.get(_PROFILE):
        if "url" in given and not is_server(url):
            return None, _BY_ENVIRONMENT
        return ProfileFile(environ).read().get(name), _BY_ENVIRONMENT
    if url is not None and not is_server(url):
        return None, _BY_DEFAULT
    return _about(ProfileFile(environ).read(), url, given.get("user") or environ.get(_USER)), _BY_DEFAULT


def _about(found: Profiles, url: str | None, user: str | None) -> Profile | None:
    """The default profile; for an address that is named, one that is about it, and about the user if one is named."""
    default = found.profiles.get(found.default or "")
    if url is None:
        return default
    about = [each for each in found.profiles.values() if same_room(url, each.url)]
    about = [each for each in about if each.user == user] or about
    return default if default in about else about[0] if len(about) == 1 else None


def _setting(
    name: str, variable: str, given: Mapping[str, Any], environ: Mapping[str, str], profile: Profile | None
) -> str | None:
    if name in given:
        return str(given[name])
    if environ.get(variable):
        return environ[variable]
    found: str | None = getattr(profile, name, None)
    return found


def _with_login(
    target: Target, given: Mapping[str, Any], environ: Mapping[str, str], profile: Profile | None
) -> Target:
    if not is_server(target.url):
        return target
    if "api_key" in given:
        return msgspec.structs.replace(target, api_key=secret(given["api_key"], "api_key"))
    if environ.get(_KEY) and _key_is_for(str(target.url), environ):
        return msgspec.structs.replace(target, api_key=secret(environ[_KEY], _KEY))
    if profile is None or not same_room(str(target.url), profile.url) or target.user != profile.user:
        return target
    return msgspec.structs.replace(target, api_key=profile.api_key, keyring=profile.keyring)


def _key_is_for(url: str, environ: Mapping[str, str]) -> bool:
    """Whether the key of the environment is for this address, as far as the environment says for which it is."""
    named = environ.get(_URL)
    return not named or same_room(url, named)
