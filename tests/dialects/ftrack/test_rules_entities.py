"""What scripts of studios rely on in entities: mappings, lists, metadata, and their helpers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api
    import ftrack_api.cache
    import ftrack_api.exception
    import ftrack_api.formatter
    import ftrack_api.inspection
    import ftrack_api.operation
    import ftrack_api.symbol

Connect = Callable[..., Any]
Unique = Callable[[str], str]


# --- entities -------------------------------------------------------------------------------------


def test_an_entity_is_a_mapping(session: Any, shots: list[Any], calls: list[list[Any]]) -> None:
    session.reset()
    shot = session.get("Shot", shots[0]["id"])
    calls.clear()
    values = dict(shot.items())

    # Every scalar comes at once; relations come one by one.
    first, *others = [each["expression"] for batch in calls for each in batch]
    assert first.count(",") > 10
    assert not any("description" in each for each in others)
    assert set(values) == set(shot.keys())
    assert (values["name"], values["parent"]["name"]) == ("sh10", "sq010")
    with pytest.raises(KeyError):
        shot["nothing"]
    assert isinstance(shot, session.types["Shot"])
    assert not isinstance(shot, session.types["Task"])


def test_lists_are_lists_without_repetitions(session: Any, project: Any, shots: list[Any]) -> None:
    listed = session.create("TypedContextList", {"name": "cut", "project": project})
    listed["items"].append(shots[0])
    with pytest.raises(ftrack_api.exception.DuplicateItemInCollectionError):
        listed["items"].append(shots[0])
    listed["items"].extend(shots[1:3])
    session.commit()

    assert (len(listed["items"]), listed["items"][0], shots[1] in listed["items"]) == (3, shots[0], True)
    listed["items"].remove(shots[1])
    assert [each["name"] for each in listed["items"]] == ["sh10", "sh30"]
    session.rollback()
    assert [each["name"] for each in listed["items"]] == ["sh10", "sh20", "sh30"]
    del listed["items"]
    assert len(listed["items"]) == 3


def test_metadata_are_a_dict(session: Any, connect: Connect, task: Any) -> None:
    task["metadata"] = {"a": "1", "b": "2"}
    session.commit()
    task["metadata"].update({"b": "3", "c": "4"})
    del task["metadata"]["a"]
    assert dict(task["metadata"]) == {"b": "3", "c": "4"}
    session.commit()

    assert dict(connect().get("Task", task["id"])["metadata"]) == {"b": "3", "c": "4"}
    assert sorted(task["metadata"].keys()) == ["b", "c"]
    assert ("b" in task["metadata"], task["metadata"].get("z")) == (True, None)


# --- helpers --------------------------------------------------------------------------------------


def test_schemas_of_projects_say_what_there_may_be(session: Any) -> None:
    schema = session.query('ProjectSchema where name is "VFX"').one()
    production = session.query('Type where name is "Production"').one()

    def names(found: Any) -> list[str]:
        return [each["name"] for each in found]

    assert names(schema.get_statuses("Task"))[:3] == ["Not started", "Ready to start", "In progress"]
    assert names(schema.get_statuses("Task", production["id"])) == [
        "Not started", "In progress", "On hold", "Completed",
    ]  # fmt: skip
    assert names(schema.get_statuses("AssetVersion")) == [
        "Pending review", "Client review", "Revise", "Approved", "Client approved",
    ]  # fmt: skip
    assert set(names(schema.get_statuses("Shot"))) == {
        "Not started", "In progress", "Client review", "On hold", "Approved", "Omitted",
    }  # fmt: skip
    assert "Animation" in names(schema.get_types("Task"))
    assert "Character" in names(schema.get_types("AssetBuild"))
    for wrong in ("Nothing", "User"):
        with pytest.raises(ValueError, match=wrong):
            schema.get_statuses(wrong)


def test_notes_have_categories_or_labels(session: Any, connect: Connect, task: Any, user: Any) -> None:
    category = session.query("NoteCategory").first()
    with pytest.warns(PendingDeprecationWarning):
        first = task.create_note("by category", author=user, category=category)
    second = task.create_note("by label", author=user, labels=session.query("NoteLabel").all()[:2])
    with pytest.raises(ValueError, match="same time"):
        task.create_note("both", author=user, category=category, labels=[category])
    session.commit()

    other = connect()
    assert other.get("Note", first["id"])["category"]["id"] == category["id"]
    assert len(other.get("Note", second["id"])["note_label_links"]) == 2


def test_a_timer_that_is_forced_ends_the_one_before(session: Any, task: Any, user: Any) -> None:
    user.start_timer(task, name="first")
    with pytest.raises(ftrack_api.exception.NotUniqueError):
        user.start_timer(task, name="second")
    session.rollback()
    second = user.start_timer(task, name="second", force=True)

    [log] = session.query(f"Timelog where user_id is {user['id']}")
    assert (log["name"], log["context_id"]) == ("first", task["id"])
    assert session.query(f"Timer where user_id is {user['id']}").one() is second
    assert user.stop_timer()["name"] == "second"
    assert second["start"] <= session.query(f"Timelog where user_id is {user['id']} and name is second").one()["start"]


def test_entity_types_may_be_mixed_into_one_instance(session: Any, task: Any) -> None:
    class Loud:
        def shout(self: Any) -> str:
            return str(self["name"]).upper()

    ftrack_api.mixin(task, Loud)
    ftrack_api.mixin(task, Loud)

    assert task.shout() == "LIGHT"
    assert session.get("Task", task["id"]) is task
