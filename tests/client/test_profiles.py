"""Profiles and the environment: who beats whom, who may read the file, and where a key may go."""

from __future__ import annotations

import multiprocessing
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordroom.client.folder import settings_folder
from recordroom.client.profiles import Profile, ProfileFile, Profiles, same_room
from recordroom.client.secret import Secret
from recordroom.client.target import Target, target_of
from recordroom.errors import InvalidValue, PermissionDenied, UnknownName

A, B = "https://a.example.org", "https://b.example.org"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"RECORDROOM_CONFIG": str(tmp_path / "config")}


def write(environ: Mapping[str, str], *profiles: Profile, default: str | None = None) -> None:
    found = Profiles(profiles={each.name: each for each in profiles}, default=default)
    ProfileFile(environ).change(lambda _: found)


STUDIO = Profile(
    name="studio", url=A, database="of-profile", project="of-profile", user="ann", api_key=Secret("rrk_profile")
)
BARE = Profile(name="bare", url=B)
RING = Profile(name="ring", url="https://ring.example.org", user="ann", keyring=True)
LOCAL = Profile(name="local", url="my.room", database="drawings")


# --- who beats whom -----------------------------------------------------------------------------------

SETTINGS = {
    "url": ("RECORDROOM_URL", A),
    "database": ("RECORDROOM_DATABASE", "of-profile"),
    "project": ("RECORDROOM_PROJECT", "of-profile"),
    "user": ("RECORDROOM_USER", "ann"),
    "api_key": ("RECORDROOM_API_KEY", Secret("rrk_profile")),
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("argument", [False, True], ids=["", "argument"])
@pytest.mark.parametrize("variable", [False, True], ids=["", "environment"])
@pytest.mark.parametrize("profile", [False, True], ids=["", "profile"])
def test_an_argument_beats_the_environment_which_beats_a_profile(
    environ: dict[str, str], setting: str, argument: bool, variable: bool, profile: bool
) -> None:
    name, kept = SETTINGS[setting]
    # Every setting but the one that is looked at comes from elsewhere.
    if profile:
        write(environ, STUDIO, default="studio")
    arguments: dict[str, Any] = {} if profile or setting == "url" else {"url": A}
    values = {"url": ("https://x.example.org", "https://y.example.org")}.get(setting, ("of-argument", "of-environment"))
    if argument:
        arguments[setting] = values[0]
    if variable:
        environ[name] = values[1]

    found = getattr(target_of(arguments, environ), setting)

    expected: Any = values[0] if argument else values[1] if variable else kept if profile else None
    assert found == (Secret(expected) if setting == "api_key" and isinstance(expected, str) else expected)


@pytest.mark.parametrize(
    ("arguments", "environment", "name"),
    [
        ({}, {}, "studio"),
        ({"profile": "bare"}, {}, "bare"),
        ({}, {"RECORDROOM_PROFILE": "bare"}, "bare"),
        ({"profile": "ring"}, {"RECORDROOM_PROFILE": "bare"}, "ring"),
        ({"url": B}, {}, "bare"),
        ({"url": f"{A}/"}, {}, "studio"),
        ({"url": A}, {"RECORDROOM_PROFILE": "bare"}, None),
        ({"url": "https://other.example.org"}, {}, None),
        ({"url": "https://other.example.org", "profile": "studio"}, {}, "studio"),
        ({}, {"RECORDROOM_URL": B}, "bare"),
        ({}, {"RECORDROOM_URL": "https://other.example.org"}, None),
        ({}, {"RECORDROOM_URL": "https://other.example.org", "RECORDROOM_PROFILE": "studio"}, "studio"),
        ({"profile": "studio"}, {"RECORDROOM_URL": B}, "studio"),
        ({"url": "my.room"}, {}, None),
        ({"url": "my.room"}, {"RECORDROOM_PROFILE": "studio"}, None),
        ({"url": "my.room", "profile": "local"}, {}, "local"),
        ({}, {"RECORDROOM_URL": "my.room"}, None),
    ],
)
def test_which_profile_counts(
    environ: dict[str, str], arguments: dict[str, str], environment: dict[str, str], name: str | None
) -> None:
    write(environ, STUDIO, BARE, RING, LOCAL, default="studio")

    assert target_of(arguments, environ | environment).profile == name


def test_a_profile_that_does_not_count_gives_nothing(environ: dict[str, str]) -> None:
    write(environ, STUDIO, default="studio")

    assert target_of({"url": "my.room"}, environ) == Target(url="my.room")
    assert target_of({"url": B}, environ) == Target(url=B)


def test_without_anything_there_is_no_room(environ: dict[str, str]) -> None:
    assert target_of({}, environ) == Target()


def test_a_profile_may_be_an_embedded_room(environ: dict[str, str]) -> None:
    write(environ, LOCAL, default="local")

    assert target_of({}, environ) == Target(url="my.room", database="drawings", profile="local")


def test_of_profiles_about_one_address_the_one_of_the_user_counts(environ: dict[str, str]) -> None:
    bob = Profile(name="bob", url=A, user="bob", api_key=Secret("rrk_bob"))
    write(environ, STUDIO, bob, default="studio")

    assert target_of({"url": A}, environ).api_key == Secret("rrk_profile")
    assert target_of({"url": A, "user": "bob"}, environ).api_key == Secret("rrk_bob")
    assert target_of({"url": A}, environ | {"RECORDROOM_USER": "bob"}).profile == "bob"


@pytest.mark.parametrize("arguments", [{"profile": "studoi"}, {}])
def test_a_profile_that_there_is_not_is_an_error_with_close_names(
    environ: dict[str, str], arguments: dict[str, str]
) -> None:
    write(environ, STUDIO, default="studio")
    with pytest.raises(UnknownName, match="studoi") as caught:
        target_of(arguments, environ | {"RECORDROOM_PROFILE": "studoi"})
    assert caught.value.suggestions == ["studio"]


# --- where a key may go -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ({"url": B, "profile": "studio"}, {}),
        ({"url": "http://a.example.org", "profile": "studio"}, {}),
        ({"url": f"{A}:8443", "profile": "studio"}, {}),
        ({"url": f"{A}/other", "profile": "studio"}, {}),
        ({"url": f"{A}.evil.org"}, {}),
        ({}, {"RECORDROOM_URL": B, "RECORDROOM_PROFILE": "studio"}),
        ({"profile": "studio", "user": "bob"}, {}),
        ({"url": A}, {"RECORDROOM_USER": "bob"}),
        ({"url": B}, {"RECORDROOM_URL": A, "RECORDROOM_API_KEY": "rrk_environment"}),
        ({"profile": "ring", "url": B}, {}),
        ({"profile": "bare"}, {"RECORDROOM_URL": A, "RECORDROOM_API_KEY": "rrk_environment"}),
    ],
)
def test_a_key_never_goes_to_another_address_or_for_another_user(
    environ: dict[str, str], arguments: dict[str, str], environment: dict[str, str]
) -> None:
    write(environ, STUDIO, BARE, RING, default="studio")
    target = target_of(arguments, environ | environment)

    assert (target.api_key, target.keyring) == (None, False)


def test_an_embedded_room_gets_no_key(environ: dict[str, str]) -> None:
    target = target_of({"url": "my.room", "api_key": "rrk_1"}, environ | {"RECORDROOM_API_KEY": "rrk_2"})

    assert target.api_key is None


def test_the_key_of_the_environment_goes_where_the_environment_says_or_nothing_is_said(environ: dict[str, str]) -> None:
    write(environ, STUDIO, default="studio")
    key = {"RECORDROOM_API_KEY": "rrk_environment"}

    assert target_of({}, environ | key).api_key == Secret("rrk_environment")
    assert target_of({"url": B}, environ | key).api_key == Secret("rrk_environment")
    assert target_of({"url": f"{B}/"}, environ | key | {"RECORDROOM_URL": B}).api_key == Secret("rrk_environment")


def test_a_profile_says_that_the_keyring_holds_the_log_in(environ: dict[str, str]) -> None:
    write(environ, RING, default="ring")

    assert target_of({}, environ).keyring
    assert not target_of({"api_key": "rrk_1"}, environ).keyring


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (A, f"{A.upper()}:443/", True),
        (A, B, False),
        ("my.room", "./my.room", True),
        ("my.room", A, False),
        ("postgresql://h/d", "postgresql://h/d", True),
    ],
)
def test_which_addresses_mean_the_same_room(one: str, other: str, same: bool) -> None:
    assert same_room(one, other) is same


# --- the file -----------------------------------------------------------------------------------------


def test_the_folder_and_the_file_are_their_owners_alone(environ: dict[str, str]) -> None:
    before = os.umask(0)
    try:
        write(environ, STUDIO)
    finally:
        os.umask(before)
    path = ProfileFile(environ).path

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in (path.parent / "locks").iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o606])
def test_a_file_that_others_can_read_is_refused_with_the_remedy(environ: dict[str, str], mode: int) -> None:
    write(environ, STUDIO, default="studio")
    file = ProfileFile(environ)
    file.path.chmod(mode)
    with pytest.raises(PermissionDenied, match=f"mode {mode:o}.*chmod 600 {file.path}"):
        target_of({}, environ)
    with pytest.raises(PermissionDenied):
        file.change(lambda found: found)


def test_a_file_that_others_can_replace_is_refused(environ: dict[str, str]) -> None:
    write(environ, STUDIO, default="studio")
    ProfileFile(environ).folder.chmod(0o777)
    with pytest.raises(PermissionDenied, match="chmod 700"):
        target_of({}, environ)


def test_a_folder_is_not_looked_at_for_an_embedded_room(environ: dict[str, str]) -> None:
    write(environ, STUDIO, default="studio")
    ProfileFile(environ).path.chmod(0o644)

    assert target_of({"url": "my.room"}, environ).url == "my.room"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "key part"),
        (f'[profiles.a]\nurl = "{A}"\napi_key = hidden', "line 3"),
        ("profiles = 5", "tables"),
        ("default = 5", "default"),
        ("profiles.a = 5", "table"),
        ("[profiles.a]\n", "no url"),
        (f'[profiles.a]\nurl = "{A}"\ncolour = "red"', "colour"),
        (f'[profiles.a]\nurl = "{A}"\nkeyring = "yes"', "keyring"),
        ('[profiles.a]\nurl = "https://a:hidden@b"', "without a user"),
        (f'[profiles.a]\nurl = "{A}"\napi_key = "hidden hidden"', "api_key"),
        ('[profiles.a]\nurl = "my.room"\napi_key = "hidden"', "server"),
        (f'[profiles."a b"]\nurl = "{A}"', "letters"),
        ("\xff", "profiles.toml"),
    ],
)
def test_a_file_that_makes_no_sense_is_said_with_the_place_and_without_the_key(
    environ: dict[str, str], text: str, reason: str
) -> None:
    write(environ)
    path = ProfileFile(environ).path
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidValue, match=reason) as caught:
        ProfileFile(environ).read()
    assert str(path) in caught.value.message
    assert "hidden" not in f"{caught.value.message} {caught.value.facts}"


def test_a_default_that_is_gone_is_none(environ: dict[str, str]) -> None:
    write(environ, BARE)
    path = ProfileFile(environ).path
    path.write_text('default = "gone"\n' + path.read_text())

    assert ProfileFile(environ).read().default is None


def test_what_is_written_is_whole_or_not_there(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    write(environ, STUDIO, default="studio")
    file = ProfileFile(environ)
    before = file.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="space"):
        file.change(lambda found: found.without("studio"))

    assert file.path.read_bytes() == before
    assert sorted(each.name for each in file.folder.iterdir()) == ["locks", "profiles.toml"]


def test_a_link_to_a_file_stays_a_link(environ: dict[str, str], tmp_path: Path) -> None:
    write(environ, BARE)
    file = ProfileFile(environ)
    real = tmp_path / "dotfiles"
    real.mkdir(mode=0o700)
    file.path.rename(real / "profiles.toml")
    file.path.symlink_to(real / "profiles.toml")
    file.change(lambda found: found.with_profile(STUDIO))

    assert file.path.is_symlink()
    assert [*file.read().profiles] == ["bare", "studio"]


def _add(folder: str, prefix: str) -> None:
    for number in range(20):
        profile = Profile(name=f"{prefix}{number}", url=A)
        ProfileFile({"RECORDROOM_CONFIG": folder}).change(lambda found, it=profile: found.with_profile(it))  # type: ignore[misc]


def test_processes_that_add_profiles_lose_none(environ: dict[str, str]) -> None:
    context = multiprocessing.get_context("spawn")
    folder = environ["RECORDROOM_CONFIG"]
    workers = [context.Process(target=_add, args=(folder, prefix)) for prefix in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)

    assert len(ProfileFile(environ).read().profiles) == 60


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True), database=texts, project=texts, user=texts
)
def test_what_is_written_reads_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, database: str, project: str, user: str
) -> None:
    environ = {"RECORDROOM_CONFIG": str(tmp_path_factory.mktemp("config"))}
    profile = Profile(name=name, url=A, database=database, project=project, user=user, api_key=Secret("rrk_'\"\\"))
    write(environ, profile, RING, default=name)

    assert ProfileFile(environ).read() == Profiles(profiles={name: profile, "ring": RING}, default=name)


# --- many profiles ------------------------------------------------------------------------------------


def test_the_first_profile_is_the_default_and_one_that_goes_is_not() -> None:
    found = Profiles().with_profile(BARE).with_profile(STUDIO)

    assert found.default == "bare"
    assert found.with_default("studio").default == "studio"
    assert found.without("bare").default is None
    assert found.without("studio").default == "bare"
    for wrong in (found.without, found.with_default, found.get):
        with pytest.raises(UnknownName):
            wrong("nope")


@pytest.mark.parametrize("name", ["", ".", "a b", "a/b", "ä", "-a", "x" * 65, "a\n"])
def test_names_that_no_profile_may_have(name: str) -> None:
    with pytest.raises(InvalidValue):
        Profile(name=name, url=A)


def test_a_profile_shows_how_one_logs_in_and_no_key() -> None:
    assert STUDIO.described()["login"] == "API key"
    assert RING.described()["login"] == "keyring"
    assert BARE.described()["login"] is None
    assert "rrk_profile" not in str(STUDIO.described())
    assert "pw" not in str(Profile(name="db", url="postgresql://ann:pw@host/room").described())


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"RECORDROOM_CONFIG": "/c"}, "/c"),
        ({"XDG_CONFIG_HOME": "/x"}, "/x/recordroom"),
        ({"RECORDROOM_CONFIG": "/c", "XDG_CONFIG_HOME": "/x"}, "/c"),
        ({"XDG_CONFIG_HOME": "relative"}, "~/.config/recordroom"),
        ({}, "~/.config/recordroom"),
    ],
)
def test_where_the_folder_is(environ: dict[str, str], folder: str) -> None:
    assert settings_folder(environ) == Path(folder).expanduser()
