from __future__ import annotations

import pytest

from recordroom.errors import NotFound, UnknownAttribute, UnknownType
from recordroom.model.ids import new_id
from recordroom.model.operations import Create, Delete, DropKeys, Link, SetKeys, Unlink, Update
from tests.store.desk import Desk


def test_history_tells_who_changed_what_when_newest_first(desk: Desk) -> None:
    task = desk.create_one("Task", name="a", status=None, hidden=None)
    created = desk.revision
    desk.act_as("ann")
    commit_id = new_id()
    result = desk.commit(Update("Task", [task], {"name": ["b"], "bid": [3]}), id=commit_id, notes="better")

    changes = desk.history("Task", task)

    assert [(each.revision, each.verb, each.attribute, each.before, each.after) for each in changes] == [
        (created + 1, "update", "name", "a", "b"),
        (created + 1, "update", "bid", None, 3),
        (created, "create", "name", None, "a"),
    ]
    newest, oldest = changes[0], changes[-1]
    assert (newest.actor, newest.notes, newest.commit_id, newest.time) == ("ann", "better", commit_id, result.time)
    assert (oldest.actor, oldest.notes) == ("owner", None)


def test_a_create_without_values_is_one_change(desk: Desk) -> None:
    project = desk.create_one("Chair", legs=None)

    assert desk.told("Chair", project) == [(desk.revision, "create", "", None, None)]


def test_a_deleted_entity_still_has_a_history(desk: Desk) -> None:
    tag = desk.create_one("Tag", name="red")
    created = desk.revision
    desk.commit(Delete("Tag", [tag]))

    assert desk.told("Tag", tag) == [
        (created + 1, "delete", "name", "red", None),
        (created, "create", "name", None, "red"),
    ]


def test_an_entity_that_was_deleted_and_came_back_tells_both_lives(desk: Desk) -> None:
    tag = desk.create_one("Tag", name="red")
    first = desk.revision
    desk.commit(Delete("Tag", [tag]))
    desk.commit(Create("Tag", [tag], {"name": ["blue"]}))
    desk.commit(Delete("Tag", [tag]), Create("Tag", [tag], {"name": ["green"]}))

    assert desk.told("Tag", tag) == [
        (first + 3, "create", "name", None, "green"),
        (first + 3, "delete", "name", "blue", None),
        (first + 2, "create", "name", None, "blue"),
        (first + 1, "delete", "name", "red", None),
        (first, "create", "name", None, "red"),
    ]


def test_history_of_an_ancestor_type_has_the_attributes_of_the_exact_one(desk: Desk) -> None:
    shot = desk.create_one("Shot", name="s", frames=1)
    desk.commit(Update("Shot", [shot], {"frames": [2]}))

    assert {each[2] for each in desk.told("Asset", shot)} == {"name", "frames"}
    with pytest.raises(NotFound):
        desk.history("Prop", shot)


def test_what_never_was_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.history("Task", new_id())
    with pytest.raises(UnknownType):
        desk.history("Tsk", new_id())
    with pytest.raises(UnknownAttribute):
        desk.history("Task", desk.create_one("Task", name="a"), attribute="nam")


def test_history_narrows_to_one_attribute(desk: Desk) -> None:
    task = desk.create_one("Task", name="a")
    created = desk.revision
    for bid in (1, 2):
        desk.commit(Update("Task", [task], {"bid": [bid]}))
        desk.commit(Update("Task", [task], {"rate": [bid / 2]}))

    assert desk.told("Task", task, attribute="bid") == [
        (created + 3, "update", "bid", 1, 2),
        (created + 1, "update", "bid", None, 1),
        (created, "create", "", None, None),
    ]


def test_history_comes_in_pages_that_end_between_revisions(desk: Desk) -> None:
    task = desk.create_one("Task", name="a")
    for number in range(20):
        desk.commit(Update("Task", [task], {"bid": [number], "rate": [float(number)]}))
    everything = desk.told("Task", task)

    paged, before = [], None
    while page := desk.told("Task", task, limit=5, before=before):
        assert len({each[0] for each in page}) == 2 or page[-1][1] == "create"
        paged += page
        before = page[-1][0]

    assert paged == everything


def test_pages_of_one_attribute_look_past_other_changes(desk: Desk) -> None:
    task = desk.create_one("Task", name="a")
    for number in range(30):
        desk.commit(Update("Task", [task], {"bid": [number]}))
        if number % 10 == 0:
            desk.commit(Update("Task", [task], {"name": [str(number)]}))

    first = desk.told("Task", task, attribute="name", limit=2)
    second = desk.told("Task", task, attribute="name", limit=2, before=first[-1][0])

    assert [each[4] for each in first] == ["20", "10"]
    assert [each[4] for each in second] == ["0", "a"]


def test_a_revision_with_more_changes_than_the_limit_comes_whole(desk: Desk) -> None:
    task = desk.create_one("Task", name="a", text="t", bid=1, rate=1.0)

    assert len(desk.history("Task", task, limit=1)) == 6


def test_links_are_told_from_both_sides(desk: Desk) -> None:
    task = desk.create_one("Task", name="a")
    tag = desk.create_one("Tag", name="red")
    base = desk.revision
    desk.commit(Link("Task", "tags", [task], [tag], ["n1"]))
    desk.commit(Link("Task", "tags", [task], [tag], ["n2"]))
    desk.commit(Unlink("Task", "tags", [task], [tag]))
    desk.commit(Link("Task", "tags", [task], [tag]))

    expected = [
        (base + 4, "link", None, None),
        (base + 3, "unlink", "n2", None),
        (base + 2, "link", "n1", "n2"),
        (base + 1, "link", None, "n1"),
    ]
    for type_name, entity, attribute, member in (("Task", task, "tags", tag), ("Tag", tag, "tasks", task)):
        changes = desk.history(type_name, entity, attribute=attribute)
        told = [(each.revision, each.verb, each.before, each.after) for each in changes]
        assert told == expected
        assert {each.member for each in changes} == {member}
        assert {each.attribute for each in changes} == {attribute}


def test_keys_are_told(desk: Desk) -> None:
    task = desk.create_one("Task", name="a")
    base = desk.revision
    desk.commit(SetKeys("Task", "meta", [task, task], ["k", "l"], ["v", "w"]))
    desk.commit(SetKeys("Task", "meta", [task], ["k"], ["x"]), DropKeys("Task", "meta", [task], ["l"]))

    changes = desk.history("Task", task, attribute="meta")

    assert {(each.revision, each.verb, each.key, each.before, each.after) for each in changes} == {
        (base + 2, "set_key", "k", "v", "x"),
        (base + 2, "drop_key", "l", "w", None),
        (base + 1, "set_key", "k", None, "v"),
        (base + 1, "set_key", "l", None, "w"),
    }


def test_links_of_a_deleted_entity_are_told(desk: Desk) -> None:
    task = desk.create_one("Task", name="a")
    tag = desk.create_one("Tag", name="red")
    desk.commit(Link("Task", "tags", [task], [tag]))
    desk.commit(Delete("Tag", [tag]))

    assert [each[1] for each in desk.told("Task", task, attribute="tags")] == ["unlink", "link"]
    assert [each[1] for each in desk.told("Tag", tag)] == ["delete", "unlink", "link", "create"]


def test_many_links_of_one_commit_come_whole_and_page(desk: Desk) -> None:
    tag = desk.create_one("Tag", name="red")
    tasks = desk.create("Task", name=["x"] * 30)
    desk.commit(Link("Tag", "tasks", [tag] * 20, tasks[:20]))
    desk.commit(Link("Tag", "tasks", [tag] * 10, tasks[20:]))

    first = desk.history("Tag", tag, attribute="tasks", limit=3)
    second = desk.history("Tag", tag, attribute="tasks", limit=3, before=first[-1].revision)

    assert {each.member for each in first} == set(tasks[20:])
    assert {each.member for each in second} == set(tasks[:20])


def test_what_one_commit_did_twice_is_one_change(desk: Desk) -> None:
    task = desk.create_one("Task", name="a")
    created = desk.revision
    desk.commit(Update("Task", [task], {"name": ["b"]}), Update("Task", [task], {"name": ["c"]}))
    desk.commit(Update("Task", [task], {"name": ["x"]}), Update("Task", [task], {"name": ["c"]}))

    assert desk.told("Task", task, attribute="name") == [
        (created + 1, "update", "name", "a", "c"),
        (created, "create", "name", None, "a"),
    ]
