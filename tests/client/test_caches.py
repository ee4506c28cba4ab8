"""Caches that people put together, functions that remember, one's own cache in a session, and schemas on disk."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.caches import Cache, FileCache, LayeredCache, MemoryCache, ProxyCache, SerializedCache
from recordroom.client.keys import KeyMaker, Memoizer, ObjectKeyMaker, StringKeyMaker, memoize
from recordroom.client.schema_cache import SchemaCache
from recordroom.client.session import Session
from recordroom.errors import InvalidValue
from recordroom.store.copying import copy_room
from tests.client.conftest import Connect
from tests.conftest import Places
from tests.served import Served, served

sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

# --- the interface --------------------------------------------------------------------------------

CACHES = {
    "memory": lambda folder: MemoryCache(),
    "memory with a limit": lambda folder: MemoryCache(100),
    "file": FileCache,
    "proxy": lambda folder: ProxyCache(MemoryCache()),
    "serialized": lambda folder: SerializedCache(FileCache(folder), json.dumps, json.loads),
    "layered": lambda folder: LayeredCache([MemoryCache(), FileCache(folder)]),
}


@pytest.fixture(params=CACHES)
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Cache:
    made: Cache = CACHES[request.param](tmp_path / "cache")
    return made


def test_a_cache_gives_back_what_was_put_in(cache: Cache) -> None:
    cache.set("a", "one")
    cache.set("b", "two")
    cache.set("a", "three")

    assert (cache.get("a"), cache.get("b")) == ("three", "two")
    assert sorted(cache.keys()) == ["a", "b"]
    assert sorted(cache.values()) == ["three", "two"]


def test_what_is_not_there_is_a_key_error(cache: Cache) -> None:
    cache.set("a", "one")
    cache.delete("a")

    with pytest.raises(KeyError):
        cache.get("a")
    with pytest.raises(KeyError):
        cache.delete("a")
    assert cache.keys() == []


def test_clearing_takes_all_or_what_an_expression_finds(cache: Cache) -> None:
    for key in ("Task/1", "Task/2", "Shot/1"):
        cache.set(key, "x")
    cache.clear("^Task/")
    assert cache.keys() == ["Shot/1"]
    cache.clear()
    assert cache.keys() == []


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "a/b", "ä" * 300, "\n\0", "a b*?", "."])
def test_any_text_is_a_key(cache: Cache, key: str) -> None:
    cache.set(key, "x")

    assert cache.get(key) == "x"
    assert cache.keys() == [key]


def test_threads_share_a_cache(cache: Cache) -> None:
    def work(name: str) -> None:
        for number in range(20):
            cache.set(f"{name}{number % 5}", name)
            with contextlib.suppress(KeyError):
                assert cache.get(f"{name}{number % 5}") == name
            cache.set("shared", name)
            assert cache.get("shared") in "abc"

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(cache.keys()) == 16


def test_a_limited_cache_forgets_what_was_not_used_for_longest() -> None:
    cache = MemoryCache(2)
    cache.set("a", 1)
    cache.set("b", 2)
    cache.get("a")
    cache.set("c", 3)

    assert cache.keys() == ["a", "c"]
    with pytest.raises(InvalidValue):
        MemoryCache(0)


def test_files_are_for_their_owner_only_and_are_inside_their_folder(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache")
    cache.set("../outside", b"bytes")
    files = [each for each in tmp_path.rglob("*") if each.is_file()]

    assert [stat.S_IMODE(each.stat().st_mode) for each in files] == [0o600]
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) & 0o077 == 0
    assert files[0].is_relative_to(tmp_path / "cache")
    assert FileCache(tmp_path / "cache").get("../outside") == b"bytes"


@pytest.mark.parametrize("damage", [b"", b"\xc1", b"\x92\xa1x\xa1y", b"\x92\xa1a\x07"])
def test_a_damaged_file_counts_as_not_there(tmp_path: Path, damage: bytes) -> None:
    cache = FileCache(tmp_path)
    cache.set("a", "x")
    (file,) = (each for each in tmp_path.rglob("*") if each.is_file())
    file.write_bytes(damage)

    with pytest.raises(KeyError):
        cache.get("a")
    cache.set("a", "again")
    assert cache.get("a") == "again"


WRITER = """
import sys
from recordroom.client.caches import FileCache
cache = FileCache(sys.argv[1])
for _ in range(100):
    cache.set("shared", sys.argv[2] * 10_000)
"""


def test_processes_share_a_folder(tmp_path: Path) -> None:
    cache = FileCache(tmp_path)
    cache.set("shared", "a" * 10_000)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in "bc"]
    seen = set()
    while any(each.poll() is None for each in writers):
        seen.add(cache.get("shared"))

    assert [each.returncode for each in writers] == [0, 0]
    assert seen <= {name * 10_000 for name in "abc"}
    assert cache.keys() == ["shared"]
    assert len([each for each in tmp_path.rglob("*") if each.is_file()]) == 1


def test_files_hold_texts_and_bytes_only(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="SerializedCache"):
        FileCache(tmp_path).set("a", {"a": 1})


def test_what_a_lower_layer_has_comes_up_when_it_is_asked_for(tmp_path: Path) -> None:
    top, middle, bottom = MemoryCache(), MemoryCache(), FileCache(tmp_path)
    bottom.set("a", "deep")
    layers = LayeredCache([top, middle, bottom])

    assert top.keys() == []
    assert layers.get("a") == "deep"
    assert (top.get("a"), middle.get("a")) == ("deep", "deep")
    layers.delete("a")
    assert [each.keys() for each in (top, middle, bottom)] == [[], [], []]


# --- keys -----------------------------------------------------------------------------------------


def test_keys_of_texts_can_be_read_and_do_not_run_into_each_other() -> None:
    keys = StringKeyMaker()

    assert keys.key("Task", 7) == "Task/7"
    assert keys.key("a/b", "c") != keys.key("a", "b/c") != keys.key("a", "b", "c")
    assert StringKeyMaker("--").key("a--b", "c") != StringKeyMaker("--").key("a", "b--c")


class Shape:
    def __init__(self, sides: int) -> None:
        self.sides = sides

    def area(self) -> int:
        return self.sides


def adder(amount: int) -> Any:
    return lambda number: number + amount


DIFFERENT = [
    (1,), (1.5,), (True, 1), ("1",), (b"1",), (None,), ([1, 2],), ((1, 2),), ({1, 2},), ([1, [2]],), ([[1], 2],),
    ({"a": 1},), ({"a": 2},), ({"a": {"b": 1}},), ("ab", "c"), ("a", "bc"), ("abc",), (), ([],), ((),), ({},),
    (len,), (Shape,), (Shape(3),), (Shape(4),), (Shape(3).area,), (Shape.area,), (adder(1),), (adder(2),),
]  # fmt: skip


def test_keys_of_objects_tell_everything_apart() -> None:
    keys = [ObjectKeyMaker().key(*items) for items in DIFFERENT]

    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({3, 1, 2}, {2, 3, 1}),
        ([Shape(3)], [Shape(3)]),
        (len, len),
        (Shape.area, Shape.area),
        ({1: "mixed", "a": None}, {"a": None, 1: "mixed"}),
    ],
)
def test_keys_of_equal_objects_are_equal(one: Any, other: Any) -> None:
    assert ObjectKeyMaker().key(one) == ObjectKeyMaker().key(other)


def endless() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize("item", [endless(), threading.Lock(), iter([1]), (each for each in "ab")])
def test_what_has_no_key_is_refused(item: Any) -> None:
    with pytest.raises(InvalidValue):
        ObjectKeyMaker().key(item)


# --- functions that remember ----------------------------------------------------------------------


def test_a_function_is_called_once_for_the_same_arguments() -> None:
    called: list[tuple[int, int]] = []

    def add(x: int, y: int = 2) -> int:
        called.append((x, y))
        return x + y

    memoizer = Memoizer()
    assert [memoizer.call(add, (1, 2)), memoizer.call(add, (1,)), memoizer.call(add, (), {"y": 2, "x": 1})] == [3] * 3
    assert memoizer.call(add, (1, 3)) == 4
    assert called == [(1, 2), (1, 3)]


def test_what_is_remembered_cannot_be_changed_by_who_gets_it() -> None:
    remembering = memoize(functools.partial(list, "ab").func)
    remembering("ab").append("c")
    shared = Memoizer(copies=False)(sorted)

    assert remembering("ab") == ["a", "b"]
    assert shared([2, 1]) is shared([2, 1])


called: list[int] = []


def double(number: int) -> int:
    """Twice a number."""
    called.append(number)
    return 2 * number


def test_a_decorated_function_remembers_in_the_cache_that_it_is_given(tmp_path: Path) -> None:
    def remembering() -> Any:
        return Memoizer(SerializedCache(FileCache(tmp_path), json.dumps, json.loads))(double)

    called.clear()
    assert remembering()(4) == remembering()(4) == 8
    assert called == [4]
    assert remembering().__doc__ == "Twice a number."


def test_functions_of_one_name_that_are_made_inside_others_are_told_apart() -> None:
    memoizer = Memoizer()

    assert [memoizer.call(adder(amount), (1,)) for amount in (1, 2)] == [2, 3]


# --- one's own cache in a session -----------------------------------------------------------------


def made(session: Session, count: int = 3) -> list[str]:
    """The ids of tasks that are committed now."""
    tasks = [session.create("Task", {"name": f"t{number}", "bid": number}) for number in range(count)]
    session.commit()
    return [task["id"] for task in tasks]


def names(session: Session, ids: list[str]) -> list[str | None]:
    return [None if task is None else task["name"] for task in session.get_many("Task", ids)]


def queries(session: Session) -> int:
    return session.statistics.get("query", 0)


@pytest.fixture
def own() -> MemoryCache:
    return MemoryCache()


def test_what_a_session_loaded_by_id_another_one_has_from_the_cache(connect: Connect, own: MemoryCache) -> None:
    project = connect().create("Project", {"name": "p", "budget": "1.50", "started": "2026-01-02"})
    project._session.commit()
    ids = made(connect())
    full = connect()
    task: Any = full.get("Task", ids[0])
    task.update(
        project=full.get("Project", project["id"]), due="2026-03-04T05:06:07Z", data={"a": [1]}, tags=["x", "y"]
    )
    full.commit()
    plain = connect()
    expected = [dict(plain.get("Task", ids[0])), dict(plain.get("Project", project["id"]))]  # type: ignore[arg-type]

    for asked in (2, 0):
        session = connect(cache=own)
        before = queries(session)
        found: list[Any] = [session.get("Task", ids[0]), session.get("Project", project["id"])]
        assert queries(session) - before == asked
        for name, value in expected[0].items():
            if name not in ("assignees", "watchers", "children", "metadata", "counts"):
                shown = found[0][name]
                assert (shown and shown["id"]) == value["id"] if isinstance(value, rr.Entity) else shown == value
        assert found[0]["project"] is found[1]
        assert {name: found[1][name] for name in ("name", "budget", "started")} == {
            name: expected[1][name] for name in ("name", "budget", "started")
        }
    assert len(own.keys()) == 2


def test_what_others_changed_or_deleted_is_never_given_from_the_cache(connect: Connect, own: MemoryCache) -> None:
    writer = connect()
    ids = made(writer)
    assert names(connect(cache=own), ids) == ["t0", "t1", "t2"]
    writer.get("Task", ids[0])["name"] = "changed"  # type: ignore[index]
    writer.delete(writer.get("Task", ids[1]))  # type: ignore[arg-type]
    writer.commit()

    for _ in range(2):
        assert names(connect(cache=own), ids) == ["changed", None, "t2"]


def test_a_session_that_was_reset_asks_its_cache_again(connect: Connect, own: MemoryCache) -> None:
    session, writer = connect(cache=own), connect()
    ids = made(writer)
    assert names(session, ids) == ["t0", "t1", "t2"]
    before = queries(session)
    session.reset()
    assert names(session, ids) == ["t0", "t1", "t2"]
    assert queries(session) == before
    writer.get("Task", ids[2])["name"] = "changed"  # type: ignore[index]
    writer.commit()
    session.reset()

    assert names(session, ids) == ["t0", "t1", "changed"]


@sqlite
def test_texts_of_several_moments_become_texts_of_one(connect: Connect, own: MemoryCache) -> None:
    writer = connect()
    ids = made(writer)
    for each in ids:
        assert connect(cache=own).get("Task", each) is not None
        made(writer, 1)
    assert names(connect(cache=own), ids) == ["t0", "t1", "t2"]

    session = connect(cache=own)
    assert names(session, ids) == ["t0", "t1", "t2"]
    assert queries(session) == 0


def test_actors_do_not_see_what_others_had_even_under_the_same_keys(connect: Connect, own: MemoryCache) -> None:
    class Careless(KeyMaker):
        def key(self, *items: Any) -> str:
            return str(items[-2:])

    ids = made(connect())
    names(connect(cache=own, cache_key_maker=Careless()), ids)
    other = connect(cache=own, cache_key_maker=Careless(), actor="other")

    assert names(other, ids) == ["t0", "t1", "t2"]
    assert queries(other) == 1
    assert len(own.keys()) == 3


@sqlite
def test_types_are_what_they_are_whatever_they_are_asked_for_as(connect: Connect, own: MemoryCache) -> None:
    writer = connect()
    user, group = writer.create("User", {"name": "ann", "age": 7}), writer.create("Group", {"name": "all"})
    writer.commit()

    for _ in range(2):
        session = connect(cache=own)
        found: list[Any] = session.get_many("Resource", [user["id"], group["id"]])
        assert [each["entity_type"] for each in found] == ["User", "Group"]
        assert isinstance(found[0], session.types["User"])
        assert found[0]["age"] == 7
        assert session.get("Group", user["id"]) is None


@sqlite
def test_the_schema_counts(connect: Connect, own: MemoryCache) -> None:
    writer = connect()
    plane = writer.create("Plane", {"tail": "x"})
    writer.commit()
    assert connect(cache=own).get("Plane", plane["id"]) is not None
    writer.apply_schema('[Plane.attributes]\nwheels = { kind = "integer", default = 3 }')

    for _ in range(2):
        found: Any = connect(cache=own).get("Plane", plane["id"])
        assert found["wheels"] == 3


@sqlite
def test_local_edits_stay_and_what_is_not_in_the_cache_is_loaded_on_touch(connect: Connect, own: MemoryCache) -> None:
    ids = made(connect())
    names(connect(cache=own), ids)
    session = connect(cache=own)
    tasks: list[Any] = session.get_many("Task", ids)
    tasks[0]["name"] = "mine"
    session.get_many("Task", ids)

    assert tasks[0]["name"] == "mine"
    assert [task["loud"] for task in tasks] == ["T0", "T1", "T2"]
    assert queries(session) == 1


@sqlite
def test_the_past_is_not_asked_of_the_cache(connect: Connect, own: MemoryCache) -> None:
    session = connect(cache=own)
    ids = made(session, 1)
    revision = session.transport.revision_at(2**62)
    session.get("Task", ids[0])["name"] = "later"  # type: ignore[index]
    session.commit()
    assert names(connect(cache=own), ids) == ["later"]

    with session.at(revision) as past:
        assert names(past, ids) == ["t0"]


@sqlite
def test_a_cache_of_texts_on_disk_serves_other_runs(connect: Connect, tmp_path: Path) -> None:
    def make(session: Session) -> Cache:
        return SerializedCache(LayeredCache([MemoryCache(), FileCache(tmp_path)]), session.encode, session.decode)

    ids = made(connect())
    names(connect(cache=make), ids)
    session = connect(cache=make)

    assert names(session, ids) == ["t0", "t1", "t2"]
    assert queries(session) == 0
    assert all("/main/owner/Task/" in key for key in list(FileCache(tmp_path).keys()))


@sqlite
@pytest.mark.parametrize("text", ["", "{}", "x", 7, None, b"\xff", '{"recordroom": 1}', [1]])
def test_what_is_not_ours_in_a_cache_is_asked_of_the_room(connect: Connect, own: MemoryCache, text: Any) -> None:
    ids = made(connect())
    names(connect(cache=own), ids)
    for key in list(own.keys()):
        own.set(key, text)

    assert names(connect(cache=own), ids) == ["t0", "t1", "t2"]


@sqlite
@pytest.mark.parametrize(
    "change", [{"row": "!"}, {"row": "gaFh"}, {"commit": "zz"}, {"id": "x"}, {"type": "User"}, {"revision": 10**9}]
)
def test_what_was_changed_in_a_cache_is_asked_of_the_room(
    connect: Connect, own: MemoryCache, change: dict[str, Any]
) -> None:
    ids = made(connect())
    names(connect(cache=own), ids)
    for key in list(own.keys()):
        own.set(key, json.dumps(json.loads(own.get(key)) | change))

    assert names(connect(cache=own), ids) == ["t0", "t1", "t2"]


@sqlite
@pytest.mark.parametrize("fails", ["get", "set"])
def test_a_cache_that_fails_is_told_once_and_left_alone(
    connect: Connect, own: MemoryCache, caplog: pytest.LogCaptureFixture, fails: str
) -> None:
    def broken(*given: Any) -> None:
        raise ConnectionError("gone")

    setattr(own, fails, broken)
    session = connect(cache=own)
    ids = made(connect(), 2)
    with caplog.at_level(logging.WARNING, logger="recordroom.cache"):
        for each in ids:
            assert names(session, [each]) != [None]

    (record,) = caplog.records
    assert "ConnectionError: gone" in record.getMessage()


@sqlite
def test_a_function_may_give_no_cache_and_anything_else_is_refused(connect: Connect) -> None:
    assert names(connect(cache=lambda session: None), made(connect())) == ["t0", "t1", "t2"]
    for wrong in (3, lambda session: 3, object()):
        with pytest.raises(InvalidValue, match="cache"):
            connect(cache=wrong)
    with pytest.raises(InvalidValue, match="key maker"):
        connect(cache=MemoryCache(), cache_key_maker="Task")


# --- behind accounts, and across a restore --------------------------------------------------------


def test_a_room_that_was_restored_is_not_taken_for_the_one_that_was_cached(places: Places, own: MemoryCache) -> None:
    where, key = places("cached"), StringKeyMaker()
    with rr.connect(where) as session:
        session.apply_schema('[Task.attributes]\nname = "text"\nbid = "integer"')
        ids = made(session)
    copy_room(where, places("backup"))

    class Anywhere(KeyMaker):
        def key(self, *items: Any) -> str:
            return key.key(*items[1:])

    for place, name in ((where, "lost later"), (places("backup"), "another commit of that revision")):
        with rr.connect(place) as session:
            session.get("Task", ids[0])["name"] = name  # type: ignore[index]
            session.commit()
        # The others first, so that most of what the cache has is of this room as it is now.
        for some in (ids[1:], ids):
            with rr.connect(place, cache=own, cache_key_maker=Anywhere()) as session:
                assert names(session, some) == [name, "t1", "t2"][-len(some) :]


@pytest.fixture(scope="module")
def with_accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("accounts") / "studio.room"
    with rr.connect(folder) as session:
        session.apply_schema('[Task.attributes]\nname = "text"\nbid = "integer"')
    with served(str(folder), accounts=True) as found:
        yield found


def test_what_may_not_be_read_any_more_is_not_given(with_accounts: Served, own: MemoryCache) -> None:
    server = with_accounts
    with rr.connect(server.url, api_key=server.api_key) as session:
        ids = made(session)
        role = session.create("Role", {"name": "watcher"})
        rule = session.create("Rule", {"role": role, "verb": "read", "type": "*"})
        user = session.create("User", {"name": "ann"})
        user["roles"].add(role)
        session.commit()
        body = {"grant": "api_key", "name": "tests", "user": "ann"}
        key = server.request("POST", "/v1/tokens", body).json()["api_key"]
        for asked in (1, 0):
            with rr.connect(server.url, api_key=key, cache=own) as watcher:
                assert names(watcher, ids) == ["t0", "t1", "t2"]
                assert queries(watcher) == asked
        session.delete(rule)
        session.commit()

    with rr.connect(server.url, api_key=key, cache=own) as watcher:
        assert names(watcher, ids) == [None] * 3


# --- schemas on disk ------------------------------------------------------------------------------

http = pytest.mark.parametrize("transport", ["http"], indirect=True)


@sqlite
@http
def test_a_schema_that_is_on_disk_does_not_travel_again(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = SchemaCache.write

    def counted(cache: SchemaCache, where: str, reply: Any, tag: str) -> None:
        written.append(tag)
        write(cache, where, reply, tag)

    monkeypatch.setattr(SchemaCache, "write", counted)
    first = connect(schema_cache=tmp_path)
    second = connect(schema_cache=tmp_path)
    assert len(written) == 1
    assert (second.schema.hash, second.schema.revision) == (first.schema.hash, first.schema.revision)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    first.apply_schema('[Plane.attributes]\nwheels = "integer"')
    third = connect(schema_cache=tmp_path)
    assert "wheels" in third.schema.attributes("Plane")
    assert len(set(written)) == 2


@sqlite
@http
def test_a_schema_that_cannot_be_read_or_kept_is_told_and_asked_for(
    connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected = connect(schema_cache=tmp_path).schema.hash
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for damage in (b"", whole[:100], whole.replace(b"Plane", b"Plank")):
        file.write_bytes(damage)
        caplog.clear()
        assert connect(schema_cache=tmp_path).schema.hash == expected
        assert "is not used" in caplog.text
        assert file.read_bytes() == whole

    blocked = tmp_path / "blocked"
    blocked.write_text("a file, not a folder")
    caplog.clear()
    assert connect(schema_cache=blocked / "below").schema.hash == expected
    assert "is not kept" in caplog.text


@sqlite
@http
def test_where_schemas_are_kept_can_be_said_and_switched_off(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECORDROOM_SCHEMA_CACHE", str(tmp_path / "schemas"))
    connect(schema_cache=False)
    assert not (tmp_path / "schemas").exists()
    connect()
    assert len(list((tmp_path / "schemas").iterdir())) == 1
    monkeypatch.delenv("RECORDROOM_SCHEMA_CACHE")
    monkeypatch.setenv("RECORDROOM_CACHE", str(tmp_path / "all"))
    connect()
    assert len(list((tmp_path / "all" / "schemas").iterdir())) == 1


@sqlite
@http
def test_a_user_without_a_home_is_told_nothing(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("RECORDROOM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert "Task" in connect().schema
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    assert "Task" in connect().schema

    assert caplog.records == []
