from __future__ import annotations

import pytest

from recordroom.errors import NotFound
from recordroom.model.ids import new_id, new_ids, show_id
from recordroom.model.operations import Commit, Create, Delete, Publish, Update
from tests.store.desk import Desk


def test_a_create_gets_defaults_numbers_and_revisions(desk: Desk) -> None:
    first, second = new_ids(2)

    result = desk.commit(Create("Task", [first, second], {"name": ["a", "b"]}))

    assert result.numbers == [1]
    rows = desk.rows("Task", "name", "status", "hidden", "number", "revision", "created_revision")
    assert rows == {
        first: ("a", "open", False, 1, result.revision, result.revision),
        second: ("b", "open", False, 2, result.revision, result.revision),
    }


def test_a_null_that_is_given_is_kept_in_spite_of_the_default(desk: Desk) -> None:
    task = desk.create_one("Task", status=None)

    assert desk.rows("Task", "status") == {task: None}


def test_every_kind_of_value_comes_back_as_it_was_given(desk: Desk) -> None:
    values = {
        "name": "Zoë 東京 \U0001f600",
        "text": "long\nlines",
        "bid": -(2**63),
        "rate": 0.1,
        "price": "-12.5",
        "hidden": True,
        "due": -1,
        "data": '{"a":[1,null]}',
        "words": '["x","y"]',
        "serial": "",
    }

    task = desk.create_one("Task", **values)

    assert desk.rows("Task", *values) == {task: tuple(values.values())}


def test_types_of_a_hierarchy_share_a_table_and_a_counter(desk: Desk) -> None:
    shot, prop = new_ids(2)

    result = desk.commit(Create("Shot", [shot], {"frames": [7]}), Create("Prop", [prop], {"material": ["oak"]}))

    assert result.numbers == [1, 2]
    assert desk.rows("Asset", "entity_type") == {shot: "Shot", prop: "Prop"}
    assert desk.rows("Shot", "frames") == {shot: 7}
    assert desk.rows("Prop", "material") == {prop: "oak"}


def test_an_update_of_an_ancestor_reaches_entities_of_several_types(desk: Desk) -> None:
    shot = desk.create_one("Shot", name="s")
    prop = desk.create_one("Prop", name="p")

    result = desk.commit(Update("Asset", [shot, prop], {"name": ["s2", "p2"]}))

    assert desk.rows("Asset", "name", "revision") == {shot: ("s2", result.revision), prop: ("p2", result.revision)}


def test_an_update_that_changes_nothing_is_not_written(desk: Desk) -> None:
    same, other = desk.create("Task", name=["a", "b"])
    before = desk.revision

    result = desk.commit(Update("Task", [same, other], {"name": ["a", "c"], "status": ["open", "open"]}))

    assert result.revision == before + 1
    assert desk.rows("Task", "name", "revision") == {same: ("a", before), other: ("c", before + 1)}
    [entry] = desk.room.journal(after=before)
    [update] = entry.operations
    assert update.ids == [other]


@pytest.mark.parametrize(
    "operations", [[], [Update("Task", [], {})], [Create("Task", [])]], ids=["none", "empty", "create"]
)
def test_a_commit_of_nothing_makes_no_revision(desk: Desk, operations: list[Update]) -> None:
    before = desk.revision

    result = desk.commit(*operations)

    assert result.revision == before
    assert desk.revision == before


def test_a_commit_of_values_that_are_there_already_makes_no_revision(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    before = desk.revision

    result = desk.commit(Update("Task", [task], {"name": ["a"]}))

    assert (result.revision, desk.revision) == (before, before)


def test_a_repeated_commit_applies_once_and_gets_the_first_result(desk: Desk) -> None:
    task = new_id()
    commit = Commit(id=new_id(), operations=[Create("Task", [task], {"name": ["a"]})], notes="once")

    first = desk.room.commit(commit)
    desk.commit(Update("Task", [task], {"name": ["b"]}))
    again = desk.room.commit(commit)

    assert again.repeated
    assert not first.repeated
    assert (again.revision, again.numbers, again.time) == (first.revision, first.numbers, first.time)
    assert desk.rows("Task", "name") == {task: "b"}


def test_the_same_id_of_another_actor_is_another_commit(desk: Desk) -> None:
    commit_id = new_id()
    one, two = new_ids(2)
    desk.room.commit(Commit(id=commit_id, operations=[Create("Task", [one])]))

    desk.act_as("someone else")
    result = desk.room.commit(Commit(id=commit_id, operations=[Create("Task", [two])]))

    assert not result.repeated
    assert set(desk.rows("Task", "name")) == {one, two}


def test_what_an_update_replaced_stands_in_the_journal(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"], bid=[1, None])
    created = desk.revision

    desk.commit(Update("Task", [one, two], {"bid": [5, 6]}), notes="why not")

    [entry] = desk.room.journal(after=created)
    [update] = entry.operations
    assert update == Update(
        "Task", [one, two], {"bid": [5, 6]}, before={"bid": [1, None]}, before_revision=[created, created]
    )
    assert (entry.header.notes, entry.header.actor, entry.header.revision) == ("why not", "owner", created + 1)


def test_later_operations_of_a_commit_see_what_earlier_ones_did(desk: Desk) -> None:
    task, other = new_ids(2)

    desk.commit(
        Create("Task", [task, other], {"name": ["a", "x"]}),
        Update("Task", [task], {"name": ["b"]}),
        Update("Task", [task], {"name": ["c"], "bid": [4]}),
        Delete("Task", [other]),
    )

    assert desk.rows("Task", "name", "bid") == {task: ("c", 4)}
    assert desk.past("Task", "name") == []


def test_an_entity_may_be_deleted_and_created_again_in_one_commit(desk: Desk) -> None:
    task = desk.create_one("Task", name="old", bid=1)
    created = desk.revision

    desk.commit(Delete("Task", [task]), Create("Task", [task], {"name": ["new"]}))

    assert desk.rows("Task", "name", "bid", "created_revision") == {task: ("new", None, created + 1)}
    assert desk.past("Task", "name") == [(task, "old", created, created + 1)]


def test_an_event_of_the_users_own_stands_in_the_journal(desk: Desk) -> None:
    before = desk.revision

    result = desk.commit(Publish("render.done", {"frame": 7}, "farm"))

    assert result.revision == before + 1
    [entry] = desk.room.journal(after=before)
    assert entry.operations == [Publish("render.done", {"frame": 7}, "farm")]


def test_a_commit_that_fails_changes_nothing(desk: Desk) -> None:
    before = desk.revision
    task = new_id()

    with pytest.raises(Exception, match="there is no Asset"):
        desk.commit(
            Create("Task", [task], {"name": ["a"]}),
            Create("Tag", [new_id()], {"name": ["t"]}),
            Update("Task", [task], {"asset": [new_id()]}),
        )

    assert desk.revision == before
    assert desk.rows("Task", "name") == {}
    assert desk.rows("Tag", "name") == {}
    assert desk.commit(Create("Task", [task], {"name": ["a"]})).numbers == [1]


def test_time_never_falls_while_revisions_rise(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = desk.commit(Create("Task", [new_id()]))
    monkeypatch.setattr("recordroom.store.access.time.time_ns", lambda: 1_000)

    second = desk.commit(Create("Task", [new_id()]))

    assert second.time == first.time
    assert desk.room.revision_at(second.time) == second.revision


def test_the_revision_at_a_moment_is_the_latest_until_then(desk: Desk) -> None:
    result = desk.commit(Create("Task", [new_id()]))

    assert desk.room.revision_at(result.time) == result.revision
    assert desk.room.revision_at(result.time + 10**6) == result.revision
    assert desk.room.revision_at(0) == 0


def test_headers_are_found_by_revision_and_by_id(desk: Desk) -> None:
    commit_id = new_id()
    result = desk.commit(Create("Task", [new_id()]), id=commit_id, notes="n")

    by_revision = desk.room.header(result.revision)

    assert by_revision == desk.room.header(commit_id)
    assert (by_revision.notes, by_revision.database, by_revision.actor) == ("n", "main", "owner")
    unknown = new_id()
    for ask, shown in ((unknown, show_id(unknown)), (b"x", "78"), (10**6, 10**6)):
        with pytest.raises(NotFound) as caught:
            desk.room.header(ask)
        assert caught.value.entity == shown
