"""Collections, links and mappings: both sides agree at once, and what a second session reads is what was meant."""

from __future__ import annotations

from typing import Any

import pytest

from recordroom.client.session import Session
from recordroom.errors import InvalidReference, InvalidValue, UnknownAttribute


def two_projects(session: Session) -> tuple[Any, Any, list[Any]]:
    """Two committed projects and three tasks of the first one."""
    first, second = session.create("Project", {"name": "P"}), session.create("Project", {"name": "Q"})
    tasks = [session.create("Task", {"name": f"t{i}", "project": first}) for i in range(3)]
    session.commit()
    return first, second, tasks


def names(members: Any) -> list[str]:
    return [member["name"] for member in members]


# --- collection and reference ---------------------------------------------------------------------


def test_a_reference_that_is_set_shows_in_the_loaded_collections_of_both_owners(session: Session) -> None:
    first, second, tasks = two_projects(session)
    assert names(first["tasks"]) == ["t0", "t1", "t2"]
    assert names(second["tasks"]) == []
    tasks[1]["project"] = second

    assert names(first["tasks"]) == ["t0", "t2"]
    assert names(second["tasks"]) == ["t1"]
    assert tasks[1] in second["tasks"]
    assert tasks[1] not in first["tasks"]
    session.rollback()
    assert names(first["tasks"]) == ["t0", "t1", "t2"]
    assert names(second["tasks"]) == []


def test_a_reference_that_is_set_shows_in_a_collection_that_is_loaded_later(session: Session, other: Session) -> None:
    two_projects(session)
    first, second = other.query("Project order by name")
    task = other.query("Task where name is t1").one()
    task["project"] = second
    new = other.create("Task", {"name": "new", "project": first})

    assert names(first["tasks"]) == ["t0", "t2", "new"]
    assert names(second["tasks"]) == ["t1"]
    other.commit()
    assert names(first["tasks"]) == ["t0", "t2", "new"]
    assert names(second["tasks"]) == ["t1"]
    assert new["project"] is first


def test_adding_to_and_removing_from_a_collection_sets_the_references(session: Session, other: Session) -> None:
    first, second, tasks = two_projects(session)
    second["tasks"].add(tasks[0])
    first["tasks"].remove(tasks[1])
    second["tasks"].append(session.create("Task", {"name": "new"}))

    assert tasks[0]["project"] is second
    assert tasks[1]["project"] is None
    session.commit()
    theirs = other.query("select name, tasks.name from Project order by name").all()
    assert names(theirs[0]["tasks"]) == ["t2"]
    assert names(theirs[1]["tasks"]) == ["t0", "new"]


def test_assigning_a_collection_adds_and_removes_what_differs(session: Session, other: Session) -> None:
    first, second, tasks = two_projects(session)
    first["tasks"] = [tasks[2], tasks[0]]
    session.create("Project", {"name": "R", "tasks": [tasks[1]]})

    assert {record.entity for record in session.operations if record.verb == "update"} == {tasks[1]}
    session.commit()
    assert first["tasks"] == [tasks[0], tasks[2]]
    assert names(other.query("Project where name is R").one()["tasks"]) == ["t1"]
    first["tasks"] = []
    session.commit()
    assert len(other.query("Task where project is None")) == 2
    assert second["tasks"] == []


def test_a_collection_acts_like_a_list_and_a_set(session: Session) -> None:
    first, second, tasks = two_projects(session)
    collection = first["tasks"]

    assert len(collection) == 3
    assert collection[0] is tasks[0]
    assert collection[-1] is tasks[2]
    assert collection[1:] == tasks[1:]
    assert list(reversed(collection)) == tasks[::-1]
    assert collection == tasks[::-1]
    assert collection == set(tasks)
    assert collection != tasks[:2]
    assert collection != [*tasks, tasks[0]]
    assert collection != "abc"
    assert collection
    assert not second["tasks"]
    assert collection.index(tasks[1]) == 1
    assert "t0" not in collection
    with pytest.raises(TypeError):
        hash(collection)
    assert first["tasks"] is collection


def test_duplicates_are_refused_where_a_list_would_get_them(session: Session) -> None:
    first, second, tasks = two_projects(session)
    list(first["tasks"])

    first["tasks"].add(tasks[0])
    assert not session.operations
    with pytest.raises(InvalidValue, match="already"):
        first["tasks"].append(tasks[0])
    with pytest.raises(InvalidValue):
        first["tasks"].extend([tasks[1]])
    with pytest.raises(InvalidValue, match="once"):
        first["tasks"] = [tasks[0], tasks[0]]
    with pytest.raises(InvalidValue):
        second["tasks"].remove(tasks[0])
    second["tasks"].discard(tasks[0])
    assert not session.operations


def test_members_of_a_wrong_type_are_refused(session: Session) -> None:
    first, _, tasks = two_projects(session)
    user = session.create("User", {"name": "ann"})

    with pytest.raises(InvalidReference):
        first["tasks"].add(user)
    with pytest.raises(InvalidReference):
        tasks[0]["assignees"].add(first)
    with pytest.raises(InvalidReference):
        tasks[0]["assignees"] = [user, session.create("Group", {"name": "g"})]
    with pytest.raises(InvalidReference):
        session.create("Task", {"name": "x", "assignees": [first]})
    assert not any(record.verb == "link" for record in session.operations)


def test_deleted_members_leave_collections_and_links(session: Session, other: Session) -> None:
    first, _, tasks = two_projects(session)
    user = session.create("User", {"name": "ann", "assignments": tasks})
    session.commit()
    session.delete(tasks[0])

    assert names(first["tasks"]) == ["t1", "t2"]
    assert names(user["assignments"]) == ["t1", "t2"]
    session.rollback()
    assert len(first["tasks"]) == 3
    session.delete(tasks[:2])
    session.commit()
    assert names(first["tasks"]) == ["t2"]
    assert names(user["assignments"]) == ["t2"]
    assert names(other.query("User").one()["assignments"]) == ["t2"]


def test_a_tree_of_the_type_itself(session: Session, other: Session) -> None:
    root = session.create("Task", {"name": "root"})
    root["children"] = [session.create("Task", {"name": f"c{i}"}) for i in range(2)]
    session.commit()

    found = other.query("Task where name is root").one()
    assert names(found["children"]) == ["c0", "c1"]
    assert found["children"][0]["parent"] is found


def test_the_length_of_an_unloaded_collection_is_counted_in_the_room(session: Session, other: Session) -> None:
    first, _, _ = two_projects(session)
    project = other.get("Project", first["id"])
    assert project is not None
    before = dict(other.statistics)

    assert len(project["tasks"]) == 3
    assert len(project["tasks"]) == 3
    assert other.statistics.get("members", 0) == before.get("members", 0)
    other.create("Task", {"name": "new", "project": project})
    assert len(project["tasks"]) == 4
    other.commit()
    assert len(project["tasks"]) == 4
    session.delete(session.query("Task where name is new").one())
    session.commit()
    other.reset()
    project = other.get("Project", first["id"])
    assert project is not None
    assert len(project["tasks"]) == 3
    other.delete(other.query("select id from Task limit 1").one())
    other.commit()
    assert len(project["tasks"]) == 2


def test_members_are_counted_for_all_siblings_in_one_request(session: Session, other: Session) -> None:
    two_projects(session)
    session.create("User", {"name": "ann", "assignments": session.query("Task limit 2").all()})
    session.commit()
    projects, tasks = other.query("Project order by name").all(), other.query("Task order by name").all()
    before = other.round_trips

    assert [len(project["tasks"]) for project in projects] == [3, 0]
    assert [len(task["assignees"]) for task in tasks] == [1, 1, 0]
    assert other.round_trips == before + 2
    assert len(other.query("User").one()["assignments"]) == 2


def test_local_changes_are_counted_though_the_collection_is_not_loaded(session: Session, other: Session) -> None:
    first, _, tasks = two_projects(session)
    project = other.get("Project", first["id"])
    assert project is not None
    task = other.get("Task", tasks[0]["id"])
    assert task is not None
    task["project"] = None

    assert len(project["tasks"]) == 2
    stub = other.query("select id from Task where name is t1").one()
    stub["project"] = None
    assert len(project["tasks"]) == 1
    other.delete(other.query("select id from Task where name is t2").one())
    assert len(project["tasks"]) == 0


# --- links ----------------------------------------------------------------------------------------


def test_links_show_on_both_sides_with_their_notes(session: Session, other: Session) -> None:
    task = session.create("Task", {"name": "t"})
    ann, bob = session.create("User", {"name": "ann"}), session.create("User", {"name": "bob"})
    task["assignees"].link(ann, note="lead")
    bob["assignments"].add(task)

    assert list(task["assignees"]) == [ann, bob]
    assert list(ann["assignments"]) == [task]
    assert ann["assignments"].note(task) == "lead"
    session.commit()
    assert list(task["assignees"]) == [ann, bob]
    theirs = other.query("Task").one()
    assert names(theirs["assignees"]) == ["ann", "bob"]
    assert [theirs["assignees"].note(user) for user in theirs["assignees"]] == ["lead", None]
    assert theirs["assignees"][0]["assignments"].note(theirs) == "lead"
    with pytest.raises(InvalidValue):
        theirs["assignees"].note(other.create("User", {"name": "eve"}))


def test_links_that_were_changed_on_one_side_show_on_the_other_when_it_is_loaded(
    session: Session, other: Session
) -> None:
    session.create("Task", {"name": "t", "assignees": [session.create("User", {"name": n}) for n in ("ann", "bob")]})
    session.commit()
    task, ann = other.query("Task").one(), other.query("User where name is ann").one()
    ann["assignments"].remove(task)
    eve = other.create("User", {"name": "eve"})
    task["assignees"].link(eve, "late")

    assert names(task["assignees"]) == ["bob", "eve"]
    assert list(eve["assignments"]) == [task]
    other.commit()
    session.refresh(session.query("Task").one())
    assert names(session.query("Task").one()["assignees"]) == ["bob", "eve"]


def test_a_note_is_changed_by_linking_again_and_kept_by_adding_again(session: Session, other: Session) -> None:
    task, ann = session.create("Task", {"name": "t"}), session.create("User", {"name": "ann"})
    task["assignees"].link(ann, "lead")
    session.commit()
    theirs, their_ann = other.query("Task").one(), other.query("User").one()
    theirs["assignees"].add(their_ann)
    other.commit()
    session.refresh(task)
    assert task["assignees"].note(ann) == "lead"
    theirs["assignees"].link(their_ann, "help")
    other.commit()

    session.refresh(task)
    assert task["assignees"].note(ann) == "help"
    with pytest.raises(InvalidValue):
        task["assignees"].link(ann, 3)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="without notes"):
        task["watchers"].link(ann, "x")


def test_a_link_that_is_made_and_taken_away_is_no_change(session: Session) -> None:
    task, ann = session.create("Task", {"name": "t"}), session.create("User", {"name": "ann"})
    session.commit()
    list(task["assignees"])
    task["assignees"].add(ann)
    assert session.modified == [task]
    task["assignees"].discard(ann)

    assert list(task["assignees"]) == []
    assert not session.operations
    assert session.state(task) == "clean"
    assert not session.commit()


def test_assigning_links_adds_and_removes_what_differs(session: Session, other: Session) -> None:
    users = [session.create("User", {"name": n}) for n in "abc"]
    task = session.create("Task", {"name": "t", "assignees": users[:2]})
    session.commit()
    task["assignees"] = users[1:]

    assert [(record.verb, record.values) for record in session.operations] == [
        ("unlink", {users[0]: None}),
        ("link", {users[2]: None}),
    ]
    session.commit()
    assert names(other.query("Task").one()["assignees"]) == ["b", "c"]
    task["assignees"] += [users[0]]
    assert sorted(names(task["assignees"])) == ["a", "b", "c"]


def test_links_to_a_hierarchy_hold_entities_of_their_own_types(session: Session, other: Session) -> None:
    ann, crew = session.create("User", {"name": "ann"}), session.create("Group", {"name": "crew"})
    session.create("Task", {"name": "t", "watchers": [ann, crew]})
    session.commit()

    found = other.query("Task").one()["watchers"]
    assert [member["entity_type"] for member in found] == ["User", "Group"]
    assert isinstance(found[1], other.types["Group"])


def test_rolled_back_links_are_gone_on_both_sides(session: Session) -> None:
    task, ann = session.create("Task", {"name": "t"}), session.create("User", {"name": "ann"})
    session.commit()
    task["assignees"].add(ann)
    session.rollback()

    assert list(task["assignees"]) == []
    assert list(ann["assignments"]) == []


def test_del_forgets_additions_and_removals(session: Session) -> None:
    first, _second, tasks = two_projects(session)
    ann = session.create("User", {"name": "ann"})
    session.commit()
    tasks[0]["assignees"].add(ann)
    tasks[0]["metadata"]["a"] = "b"
    first["tasks"].remove(tasks[1])
    del tasks[0]["assignees"]
    del tasks[0]["metadata"]
    del first["tasks"]

    assert list(tasks[0]["assignees"]) == []
    assert dict(tasks[0]["metadata"]) == {}
    assert len(first["tasks"]) == 3
    assert not session.operations


# --- mappings -------------------------------------------------------------------------------------


def test_a_mapping_is_a_dict_of_values_of_its_kind(session: Session, other: Session) -> None:
    task = session.create("Task", {"name": "t", "metadata": {"a": "1", "b": "2"}, "counts": {"x": 3}})
    task["metadata"]["c"] = "3"
    del task["metadata"]["a"]

    assert dict(task["metadata"]) == {"b": "2", "c": "3"}
    session.commit()
    assert dict(task["metadata"]) == {"b": "2", "c": "3"}
    theirs = other.query("Task").one()
    assert dict(theirs["metadata"]) == {"b": "2", "c": "3"}
    assert theirs["counts"]["x"] == 3
    assert "y" not in theirs["counts"]
    with pytest.raises(KeyError):
        theirs["counts"]["y"]
    with pytest.raises(KeyError):
        del theirs["counts"]["y"]


def test_assigning_a_mapping_sets_and_drops_what_differs(session: Session, other: Session) -> None:
    task = session.create("Task", {"name": "t", "metadata": {"a": "1", "b": "2"}})
    session.commit()
    task["metadata"] = {"b": "2", "c": "3"}

    assert [(record.verb, record.values) for record in session.operations] == [
        ("drop_key", {"a": None}),
        ("set_key", {"c": "3"}),
    ]
    session.commit()
    assert dict(other.query("Task").one()["metadata"]) == {"b": "2", "c": "3"}


@pytest.mark.parametrize(("key", "value"), [("k", 3), (3, "v"), ("", "v"), ("k", None), ("k\0", "v"), ("k", "\ud800")])
def test_a_wrong_entry_of_a_mapping_is_refused(session: Session, key: Any, value: Any) -> None:
    task = session.create("Task", {"name": "t"})

    with pytest.raises(InvalidValue):
        task["metadata"][key] = value
    with pytest.raises(InvalidValue):
        task["metadata"] = {key: value}
    assert dict(task["metadata"]) == {}


def test_setting_an_entry_to_what_it_is_is_no_change(session: Session) -> None:
    task = session.create("Task", {"name": "t", "metadata": {"a": "1"}})
    session.commit()
    task["metadata"]["a"] = "1"
    task["metadata"].update(a="2")
    task["metadata"]["a"] = "1"

    assert not session.operations
    assert not session.commit()


def test_edits_of_mappings_by_two_sessions_merge_by_key(session: Session, other: Session) -> None:
    task = session.create("Task", {"name": "t", "metadata": {"a": "1"}})
    session.commit()
    theirs = other.query("Task").one()
    theirs["metadata"]["b"] = "theirs"
    task["metadata"]["c"] = "mine"
    other.commit()
    session.commit()

    session.refresh(task)
    assert dict(task["metadata"]) == {"a": "1", "b": "theirs", "c": "mine"}


# --- paths ----------------------------------------------------------------------------------------


def test_selected_paths_through_collections_load_with_the_page(session: Session, other: Session) -> None:
    first, _, tasks = two_projects(session)
    ann = session.create("User", {"name": "ann", "assignments": tasks})
    session.commit()
    projects = other.query("select name, tasks.name, tasks.assignees.name, lead.name from Project order by name").all()
    before = other.round_trips

    assert names(projects[0]["tasks"]) == ["t0", "t1", "t2"]
    assert [names(task["assignees"]) for task in projects[0]["tasks"]] == [["ann"]] * 3
    assert names(projects[1]["tasks"]) == []
    assert other.round_trips == before
    assert ann["assignments"] == list(first["tasks"])


def test_populate_loads_paths_in_few_requests_and_keeps_local_values(session: Session, other: Session) -> None:
    two_projects(session)
    tasks = other.query("select id from Task").all()
    tasks[0]["name"] = "mine"
    before = other.round_trips
    other.populate(tasks, "name, project.name, project.tasks, assignees.name")

    assert other.round_trips == before + 3
    assert tasks[0]["name"] == "mine"
    assert {task["project"]["name"] for task in tasks} == {"P"}
    assert len(tasks[0]["project"]["tasks"]) == 3
    assert [list(task["assignees"]) for task in tasks] == [[], [], []]
    assert other.round_trips == before + 3
    other.populate(other.create("Task", {"name": "new"}), ["name"])
    assert other.round_trips == before + 3
    with pytest.raises(UnknownAttribute):
        other.populate(tasks, ["project.nmae"])
