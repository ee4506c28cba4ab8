"""`recordroom profile add|list|show|use|remove`: what you say once about each room."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from .apps import group_of_commands, switch
from .output import note, print_json, print_table, say
from .rooms import Json

if TYPE_CHECKING:
    from ..client.profiles import ProfileFile
    from ..client.secret import Secret

__all__ = ["profile_app"]

profile_app = group_of_commands("profile", "Name rooms, and say which is used where none is named.")

_Name = Annotated[str, Parameter(help="The name of the profile.")]


@profile_app.command(usage="Usage: recordroom profile add NAME URL [OPTIONS]")
def add(  # noqa: PLR0913 - each is an option
    name: _Name,
    url: Annotated[str, Parameter(help="The room: https://…, a folder or postgresql://…")],
    *,
    database: Annotated[str | None, Parameter(name="--database", help="Which database of the room.")] = None,
    project: Annotated[str | None, Parameter(name="--project", help="The project you work on.")] = None,
    user: Annotated[str | None, Parameter(name="--user", help="Who you are there.")] = None,
    api_key: Annotated[
        bool,
        switch("--api-key", "Ask for an API key, or read it from standard input."),
    ] = False,
    use: Annotated[bool, switch("--use", "Make it the default.")] = False,
    json: Json = False,
) -> None:
    """Add a profile, or replace one of the same name. The first is the default.

    An API key is never an argument, where other users of the machine could see
    it. `recordroom login` makes a profile by itself.

    For example:

        recordroom profile add studio https://room.example.org --database main
        recordroom profile add studio https://room.example.org --api-key < key.txt
    """
    from pathlib import Path

    from ..client.profiles import Profile
    from ..client.urls import is_server, server_url

    place = server_url(url) if is_server(url) else url if "://" in url else str(Path(url).absolute())
    made = Profile(
        name=name,
        url=place,
        database=database,
        project=project,
        user=user,
        api_key=_api_key() if api_key else None,
    )
    found = _file().change(lambda all_: all_.with_profile(made).with_default(name) if use else all_.with_profile(made))
    if json:
        print_json({**made.described(), "default": found.default == name})
        return
    say(f"Profile {name} is {made.described()['url']}{' (the default)' if found.default == name else ''}.")
    if is_server(place) and not api_key:
        note(f"Next: recordroom login --profile {name}")


@profile_app.command(name="list", usage="Usage: recordroom profile list [OPTIONS]")
def list_(*, json: Json = False) -> None:
    """Print all profiles; no key is shown.

    For example:

        recordroom profile list
    """
    found = _file().read()
    rows = [{**each.described(), "default": each.name == found.default} for each in found.profiles.values()]
    if json:
        print_json({"profiles": rows, "file": str(_file().path)})
    elif rows:
        names = ("name", "url", "database", "project", "user", "login", "default")
        print_table(names, [[row[name] or None for name in names] for row in rows])
    else:
        note(f"There are no profiles ({_file().path}). Make one with recordroom profile add, or recordroom login.")


@profile_app.command(usage="Usage: recordroom profile show [NAME] [OPTIONS]")
def show(
    name: Annotated[str | None, Parameter(help="Its name; without, what counts now.")] = None, *, json: Json = False
) -> None:
    """Print a profile; without a name, what counts now, of the environment and the default profile.

    For example:

        recordroom profile show
        recordroom profile show studio --json
    """
    shown = _counting() if name is None else _file().read().get(name).described()
    if json:
        print_json(shown)
        return
    for setting, value in shown.items():
        say(f"{setting}: {value if value is not None else '-'}")


@profile_app.command(usage="Usage: recordroom profile use NAME [OPTIONS]")
def use(name: _Name, *, json: Json = False) -> None:
    """Make a profile the default.

    For example:

        recordroom profile use studio
    """
    found = _file().change(lambda all_: all_.with_default(name))
    if json:
        print_json(found.get(name).described())
    else:
        say(f"Profile {name} is the default.")
    if os.environ.get("RECORDROOM_PROFILE", name) != name or os.environ.get("RECORDROOM_URL"):
        note("RECORDROOM_PROFILE or RECORDROOM_URL is set, and beats the default.")


@profile_app.command(usage="Usage: recordroom profile remove NAME [OPTIONS]")
def remove(name: _Name, *, json: Json = False) -> None:
    """Remove a profile with its API key. Rooms stay, and so do log-ins in the keyring.

    For example:

        recordroom profile remove studio
    """
    gone = _file().read().get(name)
    found = _file().change(lambda all_: all_.without(name))
    if json:
        print_json({"removed": name, "default": found.default})
    else:
        say(f"Profile {name} is removed.")
    if gone.api_key is not None:
        note("Its key still works: end it at the server, if nobody else uses it.")
    if gone.keyring:
        note(f"Its log-in is still in the keyring: recordroom logout {gone.url}")


def _file() -> ProfileFile:
    from ..client.profiles import ProfileFile

    return ProfileFile(os.environ)


def _counting() -> dict[str, object]:
    from ..client.profiles import shown_url
    from ..client.target import target_of

    target = target_of({}, os.environ)
    login = "keyring" if target.keyring else "API key" if target.api_key is not None else None
    shown = {"profile": target.profile, "url": None if target.url is None else shown_url(target.url)}
    return {**shown, "database": target.database, "project": target.project, "user": target.user, "login": login}


def _api_key() -> Secret:
    from ..client.login import terminal
    from ..client.secret import secret

    text = terminal().ask_secret("API key: ") if sys.stdin.isatty() else sys.stdin.readline()
    return secret(text, "api_key")
