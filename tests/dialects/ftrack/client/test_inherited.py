"""Hierarchical custom attributes: what both clients see of the values that are handed down the tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

Connect = Callable[..., Any]


@pytest.fixture
def connect(either: Connect) -> Connect:
    """Makes sessions of either client."""
    return either


@pytest.fixture
def tree(session: Any, shots: list[Any]) -> dict[str, Any]:
    """A project, a sequence, two of its shots, a task, an asset and a version."""
    task = session.create("Task", {"name": "light", "parent": shots[0]})
    asset = session.create("Asset", {"name": "beauty", "parent": shots[0], "type": session.query("AssetType").first()})
    version = session.create("AssetVersion", {"asset": asset})
    session.commit()
    found = {"shot": shots[0], "other": shots[1], "task": task, "asset": asset, "version": version}
    return {"project": shots[0]["project"], "sequence": shots[0]["parent"], **found}


@pytest.fixture
def key(session: Any, unique: Callable[[str], str], tree: dict[str, Any]) -> Iterator[str]:
    """The key of a hierarchical custom attribute, whose default is 24."""
    data = {"key": unique("fps"), "label": "Rate", "entity_type": "show", "is_hierarchical": True, "default": 24}
    kind = session.query('CustomAttributeType where name is "number"').one()
    made = session.create("CustomAttributeConfiguration", {**data, "type": kind, "config": '{"isdecimal": true}'})
    session.commit()
    yield data["key"]
    session.rollback()
    session.delete(made)
    session.commit()


def shown(connect: Connect, tree: dict[str, Any], key: str) -> dict[str, Any]:
    """What a new session sees on every part of a tree."""
    session = connect()
    return {name: session.get(each.entity_type, each["id"])["custom_attributes"][key] for name, each in tree.items()}


def put(connect: Connect, entity: Any, key: str, value: Any) -> None:
    session = connect()
    session.get(entity.entity_type, entity["id"])["custom_attributes"][key] = value
    session.commit()


def test_what_has_no_value_of_its_own_has_that_of_the_nearest_above(
    connect: Connect, tree: dict[str, Any], key: str
) -> None:
    names = list(tree)
    assert shown(connect, tree, key) == dict.fromkeys(names, 24)

    put(connect, tree["project"], key, 25)
    assert shown(connect, tree, key) == dict.fromkeys(names, 25)

    put(connect, tree["shot"], key, 48)
    below = dict.fromkeys(("shot", "task", "asset", "version"), 48)
    assert shown(connect, tree, key) == {**dict.fromkeys(names, 25), **below}

    put(connect, tree["asset"], key, 0)
    assert shown(connect, tree, key) == {**dict.fromkeys(names, 25), **below, "asset": 0, "version": 0}


def test_what_has_its_value_no_more_has_that_of_above_again(connect: Connect, tree: dict[str, Any], key: str) -> None:
    put(connect, tree["sequence"], key, 30)
    session = connect()
    shot = session.get("Shot", tree["shot"]["id"])
    shot["custom_attributes"][key] = 60
    session.commit()
    assert shown(connect, tree, key)["task"] == 60

    shot["custom_attributes"][key] = None
    session.commit()
    assert shot["custom_attributes"][key] == 30
    assert shown(connect, tree, key)["task"] == 30

    shot["custom_attributes"][key] = 61
    session.commit()
    configuration = session.query(f'CustomAttributeConfiguration where key is "{key}"').one()
    session.delete(session.get("ContextCustomAttributeValue", [configuration["id"], shot["id"]]))
    session.commit()
    assert shown(connect, tree, key)["shot"] == 30


def test_they_come_with_a_projection(connect: Connect, tree: dict[str, Any], key: str) -> None:
    put(connect, tree["project"], key, 12)
    session = connect()

    found = session.query(
        f"select custom_attributes from TypedContext where project_id is {tree['project']['id']}"
    ).all()

    with session.auto_populating(False):
        assert [each["custom_attributes"][key] for each in found] == [12] * len(found)
        assert len(found) == 7


def test_conditions_find_what_has_a_value_of_its_own(connect: Connect, tree: dict[str, Any], key: str) -> None:
    put(connect, tree["sequence"], key, 30)
    put(connect, tree["other"], key, 24)
    here = f"project_id is {tree['project']['id']} and "

    def found(condition: str, kind: str = "TypedContext") -> set[str]:
        return {each["name"] for each in connect().query(f"select name from {kind} where {here}{condition}")}

    assert found(f'custom_attributes any (key is "{key}" and value is 30)') == {"sq010"}
    assert found(f'custom_attributes any (key is "{key}" and value >= 24)') == {"sq010", "sh20"}
    assert found(f'custom_attributes any (key is "{key}" and value is 24)') == {"sh20"}
    assert found(f'custom_attributes any (key is "{key}")') == {"sq010", "sh20"}
    assert "sh10" in found(f'not custom_attributes any (key is "{key}")', "Shot")
    assert found(f'custom_attributes.value is 30 and custom_attributes.key is "{key}"') >= {"sq010"}


def test_rows_of_values_are_those_that_were_set(connect: Connect, tree: dict[str, Any], key: str) -> None:
    put(connect, tree["sequence"], key, 30)
    ids = ", ".join(each["id"] for each in tree.values())

    for kind in ("ContextCustomAttributeValue", "CustomAttributeValue"):
        found = connect().query(f'{kind} where key is "{key}" and entity_id in ({ids})').all()
        assert [(each["entity_id"], each["value"]) for each in found] == [(tree["sequence"]["id"], 30)]
    session = connect()
    configuration = session.query(f'CustomAttributeConfiguration where key is "{key}"').one()
    one = session.get("ContextCustomAttributeValue", [configuration["id"], tree["shot"]["id"]])
    assert (one["value"], one["configuration"]["key"]) == (30, key)


def test_of_a_new_entity(connect: Connect, tree: dict[str, Any], key: str) -> None:
    put(connect, tree["sequence"], key, 30)
    session = connect()
    shot = session.create("Shot", {"name": "new", "parent": session.get("Sequence", tree["sequence"]["id"])})
    other = session.create("Shot", {"name": "newer", "parent": session.get("Sequence", tree["sequence"]["id"])})
    other["custom_attributes"][key] = 31
    session.commit()

    assert shown(connect, {"shot": shot, "other": other}, key) == {"shot": 30, "other": 31}
