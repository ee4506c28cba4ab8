"""Caches of the drop-in client: the interface that scripts know, on our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recordroom.client import caches as native
from recordroom.dialects.ftrack.client import cache as c

KINDS = ["memory", "proxy", "layered", "file", "serialised", "proxy of a native one", "layered natives"]


@pytest.fixture(params=KINDS)
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = {
        "memory": c.MemoryCache,
        "proxy": lambda: c.ProxyCache(c.MemoryCache()),
        "layered": lambda: c.LayeredCache([c.MemoryCache(), c.MemoryCache()]),
        "file": lambda: c.FileCache(str(tmp_path / "cache")),
        "serialised": lambda: c.SerialisedCache(c.FileCache(tmp_path / "kept"), encode=str, decode=str),
        "proxy of a native one": lambda: c.ProxyCache(native.MemoryCache()),
        "layered natives": lambda: c.LayeredCache([native.MemoryCache(), c.MemoryCache()]),
    }
    return made[request.param]()


def test_what_is_set_can_be_had_and_removed(cache: Any) -> None:
    cache.set("a", "1")
    cache.set("b", "2")
    cache.set("a", "3")

    assert (cache.get("a"), sorted(cache.keys()), sorted(cache.values())) == ("3", ["a", "b"], ["2", "3"])
    cache.remove("a")
    assert cache.keys() == ["b"]


@pytest.mark.parametrize("verb", ["get", "remove", "delete"])
def test_what_is_not_there_is_a_key_error(cache: Any, verb: str) -> None:
    with pytest.raises(KeyError):
        getattr(cache, verb)("missing")


def test_clear_forgets_all_or_what_a_regular_expression_finds(cache: Any) -> None:
    for key in ("('Task', ['1'])", "('Task', ['2'])", "('User', ['1'])"):
        cache.set(key, "x")

    cache.clear(r"'Task'")
    assert cache.keys() == ["('User', ['1'])"]
    cache.clear()
    assert cache.keys() == []


def test_a_hit_below_is_copied_upward() -> None:
    top, below = c.MemoryCache(), c.MemoryCache()
    below.set("a", 1)

    assert c.LayeredCache([top, below]).get("a") == 1
    assert top.get("a") == 1


def test_a_layered_cache_removes_from_every_layer_that_has_it() -> None:
    top, below = c.MemoryCache(), c.MemoryCache()
    below.set("a", 1)

    c.LayeredCache([top, below]).remove("a")

    assert below.keys() == []


def test_files_are_kept_for_the_next_process(tmp_path: Path) -> None:
    c.FileCache(tmp_path / "cache").set("('Task', ['é'])", '{"name": "é"}')

    assert c.FileCache(str(tmp_path / "cache")).get("('Task', ['é'])") == '{"name": "é"}'


def test_a_file_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "cache.dbm"
    file.write_bytes(b"of another program")

    made = c.FileCache(str(file))
    made.set("a", "1")

    assert (made.get("a"), file.read_bytes()) == ("1", b"of another program")


def test_a_cache_of_ones_own_needs_get_set_and_remove() -> None:
    class Mine(c.Cache):
        def __init__(self) -> None:
            self.kept: dict[str, Any] = {}

        def get(self, key: str) -> Any:
            return self.kept[key]

        def set(self, key: str, value: Any) -> None:
            self.kept[key] = value

        def remove(self, key: str) -> None:
            del self.kept[key]

    mine = Mine()
    mine.set("a", 1)
    mine.delete("a")  # as the native session calls it

    assert mine.kept == {}
    with pytest.raises(NotImplementedError):
        mine.keys()


def test_keys_of_texts_are_the_things_as_texts() -> None:
    assert c.StringKeyMaker().key(("Task", ["1"])) == "('Task', ['1'])"
    assert c.StringKeyMaker().key("a", 1) == "a1"


def test_keys_of_objects_tell_things_apart_and_are_the_same_for_the_same() -> None:
    make = c.ObjectKeyMaker().key

    assert make({"a": [1], "b": 2}) == make({"b": 2, "a": [1]})
    assert len({make(each) for each in (1, "1", [1], {1: 1}, len, None)}) == 6


def test_a_memoiser_calls_once_for_the_same_arguments_and_gives_copies() -> None:
    called: list[Any] = []

    def listed(x: int, y: int = 2) -> list[int]:
        called.append((x, y))
        return [x, y]

    memoiser = c.Memoiser()
    first = memoiser.call(listed, (1,))
    first.append(99)

    assert memoiser.call(listed, (1, 2), {}) == [1, 2]
    assert memoiser.call(listed, (), {"x": 1, "y": 2}) == [1, 2]
    assert memoiser.call(listed, (3,)) == [3, 2]
    assert called == [(1, 2), (3, 2)]


def test_a_memoiser_without_copies_gives_the_thing_itself() -> None:
    memoiser = c.Memoiser(c.MemoryCache(), c.ObjectKeyMaker(), return_copies=False)

    def made() -> dict[str, Any]:
        return {}

    assert memoiser.call(made) is memoiser.call(made)


def test_a_function_remembers_when_it_is_decorated() -> None:
    called = []

    @c.memoise
    def twice(x: int) -> int:
        """Of a number."""
        called.append(x)
        return 2 * x

    assert [twice(2), twice(2), twice.__name__, called] == [4, 4, "twice", [2]]
