"""Plugins of the drop-in client, and the local events that they join in."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from recordroom.dialects.ftrack.client import plugin
from tests.dialects.ftrack.client.dropins import Dropins, embedded_dropins


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plugins-room")


@pytest.fixture
def dropins(room: Path) -> Iterator[Dropins]:
    with embedded_dropins(room) as found:
        yield found


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    return [str(tmp_path)]


def put(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_every_file_below_the_paths_registers_itself(tmp_path: Path) -> None:
    put(tmp_path, "a.py", "def register(found): found.append('a')")
    put(tmp_path, "deep/er/b.py", "def register(found): found.append('b')")
    put(tmp_path, "c.txt", "def register(found): found.append('c')")
    found: list[str] = []

    plugin.discover([str(tmp_path), "", "  ", str(tmp_path / "missing")], [found])

    assert sorted(found) == ["a", "b"]


def test_what_cannot_be_a_plugin_is_told_of_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "broken.py", "import something_that_is_not_there")
    put(tmp_path, "helper.py", "x = 1")
    put(tmp_path, "good.py", "def register(found): found.append('good')")
    found: list[str] = []

    with caplog.at_level(logging.WARNING):
        plugin.discover([str(tmp_path)], [found])

    assert found == ["good"]
    said = [each.getMessage() for each in caplog.records]
    assert any("broken.py" in each and "something_that_is_not_there" in each for each in said)
    assert any("helper.py" in each and "register" in each for each in said)


def test_what_register_raises_goes_through(tmp_path: Path, dropins: Dropins) -> None:
    put(tmp_path, "angry.py", "def register(session): raise LookupError('no licence')")

    with pytest.raises(LookupError, match="no licence"):
        dropins(plugin_paths=[str(tmp_path)])


@pytest.mark.parametrize(
    ("takes", "gets"),
    [
        ("one", {}),
        ("one, a", {"a": 1}),
        ("one, a=0", {"a": 1}),
        ("one, *, b=0", {"b": 2}),
        ("one, **rest", {"a": 1, "b": 2}),
        ("*all, a=0", {"a": 1}),
        ("", {}),
    ],
)
def test_a_plugin_gets_the_arguments_that_it_takes(tmp_path: Path, takes: str, gets: dict[str, int]) -> None:
    put(
        tmp_path,
        "p.py",
        f"got = []\nimport builtins\ndef register({takes}):\n"
        "    found = dict(locals())\n    found.pop('one', None); found.pop('all', None)\n"
        "    found.update(found.pop('rest', {}))\n    builtins.dropin_plugin_got = found\n",
    )
    import builtins

    try:
        plugin.discover([str(tmp_path)], ["session"], {"a": 1, "b": 2})
        assert builtins.dropin_plugin_got == gets
    finally:
        del builtins.dropin_plugin_got


def test_nothing_is_loaded_from_a_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "studio.room/room.sqlite", "")
    put(tmp_path, "studio.room/files/p.py", "raise SystemError")

    plugin.discover([str(tmp_path)], [])

    assert "it lies in a room" in caplog.text


def test_plugins_come_from_the_environment(tmp_path: Path, dropins: Dropins, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "p.py", "def register(session, colour=None): session.coloured = colour")
    monkeypatch.setenv("FTRACK_EVENT_PLUGIN_PATH", str(tmp_path))

    session = dropins(plugin_paths=None, plugin_arguments={"colour": "red", "unknown": 1})

    assert session.coloured == "red"


HEARS = """
TOPICS = ["construct-entity-type", "configure-location", "ready", "reset"]

def register(session):
    session.heard = []
    for topic in TOPICS:
        session.event_hub.subscribe(f"topic=ftrack.api.session.{topic}", note(session))

def note(session):
    def noted(event):
        session.heard.append((event["topic"].rpartition(".")[2], sorted(event["data"]), event["data"].get("session") is session))
    return noted
"""


def test_a_session_tells_its_plugins_of_its_moments(tmp_path: Path, dropins: Dropins) -> None:
    put(tmp_path, "p.py", HEARS)

    session = dropins(plugin_paths=[str(tmp_path)])
    heard = [each for each in session.heard if each[0] != "construct-entity-type"]
    constructed = [each for each in session.heard if each[0] == "construct-entity-type"]

    assert heard == [("configure-location", ["session"], True), ("ready", ["session"], True)]
    assert len(constructed) >= 40
    assert all(each[1] == ["schema", "schemas"] for each in constructed)
    session.heard.clear()
    session.reset()
    assert [each[0] for each in session.heard] == ["configure-location", "reset"]


LOCATION = """
from recordroom.dialects.ftrack.client.accessor.disk import DiskAccessor
from recordroom.dialects.ftrack.client.structure.id import IdStructure

def register(session, storage):
    def configure(event):
        location = event["data"]["session"].ensure("Location", {"name": "studio.store"})
        location.accessor = DiskAccessor(prefix=storage)
        location.structure = IdStructure()
        location.priority = 1

    session.event_hub.subscribe("topic=ftrack.api.session.configure-location", configure)
"""


def test_a_plugin_configures_a_location_which_is_picked_then(tmp_path: Path, dropins: Dropins) -> None:
    put(tmp_path, "plugins/p.py", LOCATION)
    put(tmp_path, "x.txt", "hello")
    storage = tmp_path / "store"

    session = dropins(plugin_paths=[str(tmp_path / "plugins")], plugin_arguments={"storage": str(storage)})
    component = session.create_component(str(tmp_path / "x.txt"))
    location = session.pick_location(component)

    assert location["name"] == "studio.store"
    path = Path(location.get_filesystem_path(component))
    assert path.read_text() == "hello"
    assert path.relative_to(storage).parts[:4] == tuple(component["id"][:4])
    session.reset()
    assert session.pick_location()["name"] == "studio.store"


FILE_TYPES = """
def register(session):
    session.event_hub.subscribe(
        "topic=ftrack.api.session.get-file-type-from-string",
        lambda event: ".tar.gz" if event["data"]["file_path"].endswith(".tar.gz") else None,
    )
"""


def test_a_plugin_says_the_file_type(tmp_path: Path, dropins: Dropins) -> None:
    put(tmp_path, "plugins/p.py", FILE_TYPES)
    put(tmp_path, "a.tar.gz", "x")
    put(tmp_path, "b.txt", "x")

    session = dropins(plugin_paths=[str(tmp_path / "plugins")])
    made = [session.create_component(str(tmp_path / name), location=None) for name in ("a.tar.gz", "b.txt")]

    assert [each["file_type"] for each in made] == [".tar.gz", ".txt"]


CLASSES = """
from recordroom.dialects.ftrack.client.entity.factory import StandardFactory

class Loud:
    def shout(self):
        return self["username"].upper()

def register(session):
    def construct(event):
        if event["data"]["schema"]["id"] == "User":
            return StandardFactory().create(event["data"]["schema"], bases=[Loud])

    session.event_hub.subscribe("topic=ftrack.api.session.construct-entity-type", construct)
"""


def test_a_plugin_gives_a_type_a_class(tmp_path: Path, dropins: Dropins) -> None:
    put(tmp_path, "p.py", CLASSES)

    session = dropins(plugin_paths=[str(tmp_path)])
    user = session.create("User", {"username": "ann"})

    assert user.shout() == "ANN"
    session.rollback()
