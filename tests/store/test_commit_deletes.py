from __future__ import annotations

import pytest

from recordroom.errors import DeleteRestricted
from recordroom.model.ids import new_ids, show_id
from recordroom.model.operations import Create, Delete, DropKeys, Link, SetKeys, Unlink, Update
from tests.store.desk import Desk


def test_a_deleted_entity_is_gone_and_its_values_stand_in_the_journal(desk: Desk) -> None:
    keep, task = desk.create("Task", name=["k", "a"], bid=[1, 2])
    created = desk.revision

    desk.commit(Delete("Task", [task]))

    assert set(desk.rows("Task", "name")) == {keep}
    [entry] = desk.room.journal(after=created)
    [delete] = entry.operations
    assert delete.before["name"] == ["a"]
    assert (delete.before["number"], delete.before["created_revision"]) == ([2], [created])
    assert delete.before_revision == [created]


def test_restrict_names_who_refers(desk: Desk) -> None:
    one, two = desk.create("Asset", name=["a", "b"])
    tasks = desk.create("Task", asset=[one] * 7)
    before = desk.revision

    with pytest.raises(DeleteRestricted) as caught:
        desk.commit(Delete("Asset", [two, one]))

    error = caught.value
    assert (error.type, error.entity, error.referring_type, error.attribute, error.count) == (
        "Asset",
        show_id(one),
        "Task",
        "asset",
        7,
    )
    assert error.examples == [show_id(task) for task in sorted(tasks)[:5]]
    assert desk.revision == before


def test_restrict_lets_go_what_the_same_commit_lets_go(desk: Desk) -> None:
    one, two, other = desk.create("Asset", name=["a", "b", "c"])
    deleted, moved = desk.create("Task", asset=[one, two])

    desk.commit(Delete("Asset", [one, two]), Delete("Task", [deleted]), Update("Task", [moved], {"asset": [other]}))

    assert desk.rows("Task", "asset") == {moved: other}


def test_nullify_clears_references_and_reports_them_stale(desk: Desk) -> None:
    shot, other = desk.create("Shot", name=["a", "b"])
    one, two = desk.create("Task", shot=[shot, other])
    created = desk.revision

    result = desk.commit(Delete("Shot", [shot]))

    assert result.stale == [("Task", one)]
    assert desk.rows("Task", "shot", "revision") == {one: (None, result.revision), two: (other, created)}
    [entry] = desk.room.journal(after=created)
    assert entry.operations[1] == Update(
        "Task", [one], {"shot": [None]}, before={"shot": [shot]}, before_revision=[created]
    )


def test_cascade_takes_along_what_refers_and_what_refers_to_that(desk: Desk) -> None:
    top, other = desk.create("Task", name=["top", "other"])
    ids = new_ids(200)
    desk.commit(Create("Task", ids, {"parent": [top, *ids[:-1]]}))

    result = desk.commit(Delete("Task", [top]))

    assert set(desk.rows("Task", "name")) == {other}
    assert {entity for _, entity in result.deleted} == set(ids)


def test_cascades_in_a_circle_end(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"])
    desk.commit(Update("Task", [one, two], {"parent": [two, one]}))

    result = desk.commit(Delete("Task", [one]))

    assert desk.rows("Task", "name") == {}
    assert result.deleted == [("Task", two)]


def test_a_cascade_that_meets_a_restriction_is_refused_for_what_was_asked(desk: Desk) -> None:
    [project] = desk.create("Project", name=["p"])
    [asset] = desk.create("Shot", project=[project])
    desk.create("Task", asset=[asset])

    with pytest.raises(DeleteRestricted) as caught:
        desk.commit(Delete("Project", [project]))

    assert (caught.value.type, caught.value.entity, caught.value.attribute) == ("Shot", show_id(asset), "asset")


def test_a_cascade_over_a_hierarchy_says_the_exact_types(desk: Desk) -> None:
    [project] = desk.create("Project", name=["p"])
    [shot] = desk.create("Shot", project=[project], frames=[3])
    [prop] = desk.create("Prop", project=[project], material=["oak"])

    result = desk.commit(Delete("Project", [project]))

    assert set(result.deleted) == {("Shot", shot), ("Prop", prop)}
    [entry] = desk.room.journal(after=result.revision - 1)
    by_type = {operation.type: operation for operation in entry.operations}
    assert by_type["Shot"].before["frames"] == [3]
    assert by_type["Prop"].before["material"] == ["oak"]
    assert by_type["Shot"].cascaded
    assert not by_type["Project"].cascaded


def test_deleting_parent_and_child_together_needs_no_cascade(desk: Desk) -> None:
    [parent] = desk.create("Task", name=["p"])
    [child] = desk.create("Task", parent=[parent])

    result = desk.commit(Delete("Task", [child, parent]))

    assert result.deleted == []
    assert desk.rows("Task", "name") == {}


def test_links_and_keys_of_deleted_entities_go_from_both_sides(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"])
    red, blue = desk.create("Tag", name=["red", "blue"])
    desk.commit(
        Link("Task", "tags", [one, one, two], [red, blue, red], ["n1", None, None]),
        Link("Task", "friends", [one, two], [two, one]),
        SetKeys("Task", "meta", [one, two], ["k", "k"], ["v", "w"]),
    )

    desk.commit(Delete("Task", [one]))
    after_task = desk.entries("Task", "tags")
    desk.commit(Delete("Tag", [red]))

    assert after_task == {(two, red): None}
    assert desk.entries("Task", "tags") == {}
    assert desk.entries("Task", "friends") == {}
    assert desk.entries("Task", "meta") == {(two, "k"): "w"}
    [entry, _] = desk.room.journal(after=desk.revision - 2)
    kinds = [type(operation) for operation in entry.operations]
    assert kinds == [Delete, Unlink, Unlink, DropKeys]


def test_what_is_created_and_deleted_in_one_commit_was_never_there(desk: Desk) -> None:
    one, two = new_ids(2)

    desk.commit(
        Create("Task", [one, two], {"name": ["a", "b"]}),
        Link("Task", "friends", [one], [one]),
        Delete("Task", [one]),
        Update("Task", [two], {"name": ["c"]}),
    )

    assert desk.rows("Task", "name") == {two: "c"}
    assert desk.entries("Task", "friends") == {}


def test_deletes_take_the_same_statements_however_many_refer(desk: Desk) -> None:
    counts = []
    for size in (2, 200):
        [shot] = desk.create("Shot", name=[f"s{size}"])
        parents = desk.create("Task", shot=[shot] * size)
        desk.create("Task", parent=parents)
        start = desk.room.driver.statements

        desk.commit(Delete("Task", parents), Delete("Shot", [shot]))

        counts.append(desk.room.driver.statements - start)
    assert counts[0] == counts[1]
