"""Plugins: which are found, how they are registered, and that one that fails harms nobody."""

from __future__ import annotations

import logging
import os
import sys
import textwrap
import threading
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.client import plugins as module
from recordroom.errors import InvalidValue, SessionRefused
from tests.client.conftest import Connect

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
embedded = pytest.mark.parametrize("transport", ["embedded"], indirect=True)

HELLO = """
def register(session, greeting="hello"):
    session.hooks.subscribe("ready", lambda event: setattr(event.session, "greeted", greeting))
"""


class Folder:
    """A folder of plugins."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "plugins").mkdir()
    return Folder(tmp_path / "plugins")


def problems(session: Any) -> dict[str, str]:
    return {each.name: each.problem for each in session.plugins}


# --- what is found --------------------------------------------------------------------------------


def test_a_plugin_is_registered_before_the_session_is_ready(connect: Connect, folder: Folder) -> None:
    file = folder.add("hello.py", HELLO)
    session: Any = connect(plugins=[folder.path])

    assert session.greeted == "hello"
    (plugin,) = session.plugins
    assert (plugin.name, plugin.where, plugin.registered) == ("hello", str(file), True)


@embedded
def test_folders_are_walked_in_order_and_hidden_ones_are_not(connect: Connect, folder: Folder) -> None:
    for name in ("b.py", "a/z.py", "a/b/c.py", ".git/x.py", "__pycache__/y.py", ".hidden.py"):
        folder.add(name, HELLO)
    folder.add("notes.txt", "no plugin")
    session = connect(plugins=[folder.path])

    assert [each.name for each in session.plugins] == ["b", "a.z", "a.b.c"]


@embedded
def test_a_plugin_may_be_a_file_that_is_named(connect: Connect, folder: Folder) -> None:
    file = folder.add("hello.py", HELLO)
    folder.add("other.py", HELLO)

    assert [each.name for each in connect(plugins=[str(file)]).plugins] == ["hello"]


@embedded
def test_files_of_one_name_do_not_meet(connect: Connect, folder: Folder) -> None:
    for each in "ab":
        folder.add(f"{each}/main.py", f"KEPT = '{each}'\ndef register(session):\n    session.{each} = KEPT\n")
    session: Any = connect(plugins=[folder.path])

    assert (session.a, session.b) == ("a", "b")
    assert "main" not in sys.modules


@embedded
def test_a_plugin_can_have_data_classes_and_is_read_again_when_it_changes(connect: Connect, folder: Folder) -> None:
    text = """
    from __future__ import annotations
    from dataclasses import dataclass

    @dataclass
    class Thing:
        name: str = "old"

    def register(session):
        session.thing = Thing()
    """
    folder.add("thing.py", text)
    first: Any = connect(plugins=[folder.path])
    second: Any = connect(plugins=[folder.path])
    folder.add("thing.py", text.replace('"old"', '"newer"'))
    third: Any = connect(plugins=[folder.path])

    assert type(first.thing) is type(second.thing)
    assert (first.thing.name, third.thing.name) == ("old", "newer")


@embedded
def test_folders_come_from_the_environment_unless_they_are_named(
    connect: Connect, folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.add("hello.py", HELLO)
    second = Folder(tmp_path / "second")
    second.add("other.py", HELLO)
    # An empty entry is not the folder that one is in.
    monkeypatch.chdir(second.path)
    monkeypatch.setenv("RECORDROOM_PLUGINS", os.pathsep.join(["", str(folder.path), " "]))

    assert [each.name for each in connect().plugins] == ["hello"]
    assert [each.name for each in connect(plugins=[second.path]).plugins] == ["other"]
    assert connect(plugins=[]).plugins == ()
    assert connect(plugins=False).plugins == ()


@embedded
def test_installed_packages_bring_plugins(connect: Connect, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder.path / "lib"
    folder.add("lib/studio_tools.py", HELLO)
    folder.add(
        "lib/studio_tools-1.0.dist-info/entry_points.txt", "[recordroom.plugins]\nstudio = studio_tools:register\n"
    )
    folder.add("lib/studio_tools-1.0.dist-info/METADATA", "Name: studio-tools\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(package))
    session: Any = connect()

    assert [(each.name, each.where) for each in session.plugins] == [
        ("studio", "recordroom.plugins: studio_tools:register")
    ]
    assert session.greeted == "hello"
    assert connect(plugins=[]).plugins == ()


@embedded
def test_what_else_lies_beside_a_plugin_is_no_problem_where_its_name_says_so(connect: Connect, folder: Folder) -> None:
    folder.add("tools/__init__.py", "")
    folder.add("tools/_shared.py", "WORD = 'x'")
    folder.add("tools/__main__.py", "")

    assert connect(plugins=[folder.path]).plugins == ()


# --- arguments ------------------------------------------------------------------------------------


def test_a_plugin_gets_the_arguments_that_it_takes(
    connect: Connect, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.add("some.py", "def register(session, root, *, depth=1):\n    session.some = (root, depth)\n")
    folder.add("every.py", "def register(session, **named):\n    session.every = named\n")
    folder.add("none.py", "def register(session, /):\n    session.none = True\n")
    folder.add("odd.py", "def register(root):\n    root.odd = True\n")
    arguments = {"root": "/mnt", "depth": 2, "colour": "red"}
    session: Any = connect(plugins=[folder.path], plugin_arguments=arguments)

    assert (session.some, session.every, session.none, session.odd) == (("/mnt", 2), arguments, True, True)
    ignored = {each.name: each.ignored for each in session.plugins}
    assert ignored == {
        "some": ("colour",),
        "every": (),
        "none": ("root", "depth", "colour"),
        "odd": ("root", "depth", "colour"),
    }
    assert "the plugin some does not take colour" in caplog.text


@embedded
@pytest.mark.parametrize(
    "wrong",
    [
        {"plugins": "a/folder"},
        {"plugins": True},
        {"plugins": 3},
        {"plugin_arguments": ["a"]},
        {"plugin_arguments": {1: 2}},
    ],
)
def test_wrong_arguments_of_connect_are_refused(connect: Connect, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        connect(**wrong)


# --- what goes wrong ------------------------------------------------------------------------------

WRONG = {
    "def register(session:": "it cannot be imported: SyntaxError",
    "import there_is_no_such_thing": "it cannot be imported: ModuleNotFoundError",
    "import sys\nsys.exit(3)": "it cannot be imported: SystemExit: 3",
    "x = 1": "it has no function `register",
    "register = 3": "it has no function `register",
    "def register(session):\n    session.nothing.there": "its register failed: AttributeError",
    "def register():\n    pass": "its register failed: TypeError",
    "def register(session, needed):\n    pass": "its register failed: TypeError",
    "def register(session):\n    raise SystemExit": "its register failed: SystemExit",
}


@pytest.mark.parametrize("text", WRONG)
@embedded
def test_a_plugin_that_fails_is_told_by_name_and_harms_no_other(
    connect: Connect, folder: Folder, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    file = folder.add("broken.py", text)
    folder.add("hello.py", HELLO)
    with pytest.warns(rr.PluginWarning, match="The plugin broken") as warned:
        session: Any = connect(plugins=[folder.path])

    assert session.greeted == "hello"
    assert WRONG[text] in problems(session)["broken"]
    assert problems(session)["hello"] == ""
    assert str(file) in str(warned[0].message)
    assert WRONG[text] in caplog.text
    broken = next(each for each in session.plugins if each.name == "broken")
    assert (broken.error is None) == ("no function" in WRONG[text])


@embedded
def test_a_module_that_fails_leaves_nothing_behind(connect: Connect, folder: Folder) -> None:
    folder.add("broken.py", "raise ValueError('half way')")
    before = set(sys.modules)
    with pytest.warns(rr.PluginWarning):
        connect(plugins=[folder.path])

    assert not [name for name in set(sys.modules) - before if "broken" in name]


def test_a_plugin_that_means_to_stops_the_session(connect: Connect, folder: Folder) -> None:
    folder.add(
        "licence.py",
        """
    from recordroom import SessionRefused

    def register(session):
        raise SessionRefused(reason="there is no licence")
    """,
    )
    with pytest.raises(SessionRefused, match="there is no licence"):
        connect(plugins=[folder.path])


@embedded
def test_a_hook_of_a_plugin_is_told_with_its_plugin(connect: Connect, folder: Folder) -> None:
    folder.add(
        "fragile.py",
        """
    def fails(event):
        raise ZeroDivisionError("on purpose")

    def register(session):
        session.hooks.subscribe("ready", fails)
        session.events.subscribe("*", fails)
    """,
    )
    with pytest.warns(rr.PluginWarning, match="fails on 'ready' of the plugin fragile") as warned:
        session = connect(plugins=[folder.path])

    assert len(warned) == 1
    assert [each.plugin for each in session.events._subscribed()] == ["fragile"]


@embedded
def test_the_same_plugin_is_registered_once(connect: Connect, folder: Folder, tmp_path: Path) -> None:
    file = folder.add("hello.py", "def register(session):\n    session.count = getattr(session, 'count', 0) + 1\n")
    (tmp_path / "linked.py").symlink_to(file)
    with pytest.warns(rr.PluginWarning, match="the same file") as warned:
        session: Any = connect(plugins=[folder.path, file, tmp_path / "linked.py"])

    assert session.count == 1
    assert len(warned) == 2
    assert [each.registered for each in session.plugins] == [True, False, False]
    assert problems(session)["linked"] == "it is the same file as the plugin hello, which is registered once"


@embedded
def test_one_function_of_two_plugins_is_registered_once(connect: Connect, folder: Folder) -> None:
    folder.add(
        "lib/studio_shared_plugin.py", "def register(session):\n    session.count = getattr(session, 'count', 0) + 1\n"
    )
    for name in ("one.py", "two.py"):
        folder.add(f"plugins/{name}", "from studio_shared_plugin import register")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder.path / "lib"))
        with pytest.warns(rr.PluginWarning, match="was registered by another plugin already"):
            session: Any = connect(plugins=[folder.path / "plugins"])

    assert session.count == 1
    assert problems(session)["one"] == ""


@embedded
def test_a_folder_that_is_not_there_is_told(connect: Connect, tmp_path: Path) -> None:
    with pytest.warns(rr.PluginWarning, match="there is no such file or folder"):
        session = connect(plugins=[tmp_path / "nowhere"])

    assert problems(session) == {"nowhere": "there is no such file or folder"}


@embedded
def test_nothing_is_loaded_from_a_room(connect: Connect, where: str, tmp_path: Path, folder: Folder) -> None:
    inside = Folder(Path(where) / "plugins")
    file = inside.add("evil.py", "def register(session):\n    session.evil = True\n")
    (folder.path / "linked.py").symlink_to(file)
    with pytest.warns(rr.PluginWarning, match="nothing is ever loaded from a room"):
        session = connect(plugins=[Path(where), folder.path])

    assert not hasattr(session, "evil")
    assert set(problems(session).values()) == {"it lies in a room, and nothing is ever loaded from a room"}


@embedded
def test_a_plugin_that_hangs_is_told_by_name_and_where_it_is(
    connect: Connect, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.add(
        "slow.py",
        """
    def register(session):
        session.hooks.ask("studio.wait")
        slow_indeed(session)

    def slow_indeed(session):
        import recordroom_test_release
        recordroom_test_release.told.wait(60)
    """,
    )

    class Told(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.told = threading.Event()
            self.messages: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.messages.append(record.getMessage())
            self.told.set()

    handler = Told()
    logger = logging.getLogger("recordroom.plugins")
    logger.addHandler(handler)
    monkeypatch.setitem(sys.modules, "recordroom_test_release", handler)  # type: ignore[arg-type]
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    try:
        session = connect(plugins=[folder.path])
    finally:
        logger.removeHandler(handler)

    (plugin,) = session.plugins
    assert (plugin.registered, plugin.late) == (True, True)
    assert "the plugin slow of" in handler.messages[0]
    assert "has not come back from its register" in handler.messages[0]
    assert "line" in handler.messages[0]


@embedded
def test_an_entry_point_that_fails_is_told_by_its_name(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="absent", value="there_is_no_such_module:register", group=module.GROUP)
    monkeypatch.setattr(module, "_entry_points", lambda places: (point,))
    with pytest.warns(rr.PluginWarning, match="The plugin absent"):
        session = connect()

    assert "ModuleNotFoundError" in problems(session)["absent"]


# --- classes --------------------------------------------------------------------------------------

GIVES = """
class {name}:
    def shout(self):
        return self["name"].upper()

def register(session):
    session.hooks.subscribe("construct-type", lambda event: {name} if event.data["type"] == "Task" else None)
"""


def test_plugins_extend_the_classes_of_entity_types(connect: Connect, folder: Folder) -> None:
    folder.add("tasks.py", GIVES.format(name="Tasks"))
    session = connect(plugins=[folder.path])

    assert session.create("Task", {"name": "a"}).shout() == "A"  # type: ignore[attr-defined]


@embedded
def test_two_plugins_that_give_a_class_to_one_type_are_told_when_the_session_begins(
    connect: Connect, folder: Folder
) -> None:
    folder.add("one.py", GIVES.format(name="One"))
    folder.add("two.py", GIVES.format(name="Two"))

    with pytest.raises(InvalidValue, match=r"One by .* of the plugin one> and Two by .* of the plugin two>"):
        connect(plugins=[folder.path])


@embedded
def test_a_plugin_may_connect_itself_without_being_registered_again(
    connect: Connect, folder: Folder, where: str
) -> None:
    folder.add(
        "nested.py",
        f"""
    import recordroom as rr

    def register(session):
        with rr.connect({where!r}, plugins=[{str(folder.path)!r}]) as inner:
            session.inner = (inner.plugins, len(inner.schema))
    """,
    )
    session: Any = connect(plugins=[folder.path])

    assert session.inner == ((), len(session.schema))
    assert problems(session) == {"nested": ""}


@embedded
def test_sessions_that_begin_at_the_same_time_share_the_import(connect: Connect, folder: Folder) -> None:
    folder.add("once.py", "TOKEN = object()\ndef register(session):\n    session.token = TOKEN\n")
    sessions: list[Any] = []
    threads = [threading.Thread(target=lambda: sessions.append(connect(plugins=[folder.path]))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len({id(each.token) for each in sessions}) == 1
    assert len(sessions) == 4
