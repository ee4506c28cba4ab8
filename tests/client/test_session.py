"""The other verbs of a session: ensure, merge, JSON, search, databases, schema, events, contexts."""

from __future__ import annotations

import contextlib
import contextvars
import datetime as dt
import json
import threading
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from recordroom.client.session import Session
from recordroom.client.symbols import NOT_SET
from recordroom.errors import (
    InvalidQuery,
    InvalidValue,
    MultipleResults,
    UnknownAttribute,
    UnknownDatabase,
    UnknownType,
)
from tests.client.conftest import TYPES, Connect, define

# --- ensure and get -------------------------------------------------------------------------------


def test_ensure_creates_once_and_finds_afterwards(session: Session, other: Session) -> None:
    first = session.ensure("User", {"name": "ann", "email": "a@x"}, keys=["name"])
    assert session.state(first) == "created"
    assert session.ensure("User", {"name": "ann", "email": "b@x"}, keys=["name"]) is first
    assert first["email"] == "b@x"
    session.commit()

    found = other.ensure("User", {"name": "ann", "email": "c@x"}, ["name"])
    assert found == first
    assert other.state(found) == "modified"
    assert other.ensure("User", {"name": "ann"}) is found
    other.commit()
    assert session.query("User").count() == 1


def test_ensure_sees_new_entities_however_they_were_made_and_edited(session: Session) -> None:
    task = session.create("Task", {"name": "a"})
    many = session.create_many("Task", {"name": ["b", "c"], "bid": [1, 2]})
    assert session.ensure("Task", {"name": "a"}) is task
    assert session.ensure("Task", {"name": "c", "bid": 2}) is many[1]
    task["name"], many[0]["name"] = "x", "y"

    assert session.ensure("Task", {"name": "x"}) is task
    assert session.ensure("Task", {"name": "y"}) is many[0]
    assert session.ensure("Task", {"name": "a"}) is not task
    gone = session.ensure("Task", {"name": "gone"})
    session.delete(gone)
    assert session.ensure("Task", {"name": "gone"}) is not gone


def test_ensure_takes_references_dates_and_none_as_keys(session: Session, other: Session) -> None:
    project = session.create("Project", {"name": "P"})
    data = {"name": "t", "project": project, "day": dt.date(2026, 1, 1), "cost": Decimal("1.5"), "parent": None}
    data["due"] = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    task = session.ensure("Task", data)
    session.commit()

    assert session.ensure("Task", data) is task
    assert other.ensure("Task", {**data, "project": other.query("Project").one()}) == task
    assert session.ensure("Task", {**data, "day": None}) is not task


def test_ensure_refuses_what_cannot_find_anything(session: Session) -> None:
    for _ in range(2):
        session.create("Task", {"name": "a", "bid": 1})
    session.commit()

    with pytest.raises(MultipleResults):
        session.ensure("Task", {"name": "a"})
    with pytest.raises(InvalidValue):
        session.ensure("Task", {})
    with pytest.raises(InvalidValue):
        session.ensure("Task", {"name": "a"}, keys=["bid"])
    with pytest.raises(InvalidValue):
        session.ensure("Task", {"data": {"a": 1}})
    with pytest.raises(UnknownAttribute):
        session.ensure("Task", {"nmae": "a"})
    with pytest.raises(UnknownType):
        session.ensure("Taks", {"name": "a"})


def test_get_finds_by_values(session: Session) -> None:
    project = session.create("Project", {"name": "P"})
    session.commit()

    assert session.get("Project", {"name": "P"}) is project
    assert session.get("Project", {"number": 1}) is project
    assert session.get("Project", {"id": project["id"]}) is project
    assert session.get(session.types["Project"], project["id"]) is project
    assert session.get("Project", {"name": "Q"}) is None
    assert session.get("Project", uuid.UUID(project["id"])) is project
    with pytest.raises(InvalidValue):
        session.get("Project", "not an id")
    with pytest.raises(InvalidValue):
        session.get("Project", {})


# --- merge and JSON -------------------------------------------------------------------------------


def test_merge_gives_the_sessions_own_entities(session: Session, other: Session) -> None:
    project = session.create("Project", {"name": "P", "budget": "1.5"})
    task = session.create("Task", {"name": "t", "project": project})
    session.commit()
    task["bid"] = 9
    before = other.round_trips
    merged = other.merge({"tasks": [task], "n": 3})

    assert merged["n"] == 3
    theirs = merged["tasks"][0]
    assert theirs["name"] == "t"
    assert theirs["bid"] is None
    assert other.merge(task) is theirs
    assert other.round_trips == before
    assert session.merge(task) is task
    assert theirs["project"]["budget"] == Decimal("1.5")
    with pytest.raises(InvalidValue, match="commit"):
        other.merge(session.create("Task", {"name": "new"}))


def test_each_strategy_of_encode_has_its_attributes(session: Session, other: Session) -> None:
    ann = session.create("User", {"name": "ann"})
    session.create("Task", {"name": "t", "bid": 1, "owner": ann, "assignees": [ann], "metadata": {"a": "b"}})
    session.commit()
    task = other.query("select name, bid from Task").one()
    task["hours"] = 2.5
    task["bid"] = 5

    def encoded(strategy: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(other.encode(task, strategy))
        assert (found.pop("__entity_type__"), found.pop("id")) == ("Task", task["id"])
        return found

    before = other.round_trips
    assert encoded("modified_only") == {"hours": 2.5, "bid": 5}
    assert encoded("persisted_only") == {"name": "t", "bid": 1, "revision": 2}
    assert encoded("set_only") == {"name": "t", "bid": 5, "hours": 2.5, "revision": 2}
    assert other.round_trips == before
    whole = encoded("all")
    assert whole["owner"] == {"__entity_type__": "User", "id": ann["id"]}
    assert whole["assignees"] == [{"__entity_type__": "User", "id": ann["id"]}]
    assert whole["metadata"] == {"a": "b"}
    assert whole.keys() == set(task) - {"id", "entity_type"}
    with pytest.raises(InvalidValue):
        other.encode(task, "everything")  # type: ignore[arg-type]


def test_what_was_encoded_is_decoded_into_entities_with_their_values(session: Session, other: Session) -> None:
    values = {
        "due": dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC),
        "day": dt.date(2026, 1, 1),
        "cost": Decimal("1.5"),
        "key": uuid.UUID(int=5),
        "data": {"a": [1]},
        "tags": ("a", "b"),
    }
    project = session.create("Project", {"name": "P"})
    task = session.create("Task", {"name": "t", "project": project, **values})
    session.commit()
    text = session.encode({"task": task, "list": [project, 1, "x"]}, "persisted_only")
    before = other.round_trips
    data = other.decode(text)

    assert data["list"][1:] == [1, "x"]
    assert {name: data["task"][name] for name in values} == values
    assert data["task"]["project"] is data["list"][0]
    assert data["list"][0]["name"] == "P"
    assert other.round_trips == before
    assert other.query("Task").one() is data["task"]
    assert session.decode(session.encode(task, "all")) is task


def test_a_reference_identifies_an_entity(session: Session) -> None:
    task = session.create("Task", {"name": "t"})

    assert session.reference(task) == {"__entity_type__": "Task", "id": task["id"]}


# --- history and search ---------------------------------------------------------------------------


def test_history_shows_values_as_people_see_them(session: Session, other: Session) -> None:
    project, ann = session.create("Project", {"name": "P"}), session.create("User", {"name": "ann"})
    task = session.create("Task", {"name": "t", "owner": ann})
    first = session.commit("made")
    theirs = other.query("Task").one()
    theirs["due"], theirs["project"] = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), other.query("Project").one()
    theirs["assignees"].link(other.query("User").one(), "lead")
    theirs["metadata"]["a"] = "b"
    second = other.commit("changed")

    records = {(record.revision, record.attribute): record for record in session.history(task)}
    due = records[second.revision, "due"]
    assert (due.before, due.after, due.actor, due.notes, due.verb) == (
        None,
        theirs["due"],
        "other",
        "changed",
        "update",
    )
    assert due.time == second.time
    assert records[second.revision, "project"].after is project
    assert records[first.revision, "owner"].after is ann
    link = records[second.revision, "assignees"]
    assert (link.verb, link.member, link.after) == ("link", ann, "lead")
    entry = records[second.revision, "metadata"]
    assert (entry.verb, entry.key, entry.after) == ("set_key", "a", "b")
    assert records[first.revision, "name"].verb == "create"
    assert [record.after for record in session.history(task, "due") if record.verb == "update"] == [theirs["due"]]
    assert {record.revision for record in session.history(task, limit=2)} == {second.revision}
    then = session.at(first)
    assert {record.revision for record in then.history(then.query("Task").one())} == {first.revision}
    with pytest.raises(UnknownAttribute):
        session.history(task, "nmae")


def test_search_gives_entities_that_load_together(session: Session, other: Session) -> None:
    for i in range(3):
        session.create("Task", {"name": f"big rabbit {i}", "bid": i})
    session.create("User", {"name": "Rabbit Ann"})
    session.commit()
    hits = other.search("rabb*")
    before = other.round_trips

    assert len(hits) == 4
    assert {hit.entity["name"] for hit in hits if hit.entity["entity_type"] == "Task"} == {
        f"big rabbit {i}" for i in range(3)
    }
    assert other.round_trips == before + 1
    assert "[" in next(iter(hits[0].snippets.values()))
    assert [hit.entity["name"] for hit in other.search("ann", types="User")] == ["Rabbit Ann"]
    assert len(other.search("rabbit", types=["Task"], limit=2)) == 2
    with pytest.raises(UnknownType):
        other.search("x", types="Taks")
    with pytest.raises(InvalidQuery):
        other.at(1).search("rabbit")


# --- databases and schema -------------------------------------------------------------------------


def test_databases_are_namespaces_of_types(session: Session, connect: Connect) -> None:
    info = session.databases.create("archive", label="Archive")
    assert info.key == "archive"
    assert set(session.databases) == {"main", "archive"}
    assert session.databases["archive"].label == "Archive"
    archive = connect(database="archive")
    assert list(archive.types) == []
    define(archive, TYPES[5])
    archive.reset()
    archive.create("Plane", {"tail": "N1"})
    archive.commit()

    assert archive.query("Plane").count() == 1
    assert session.query("Plane").count() == 0
    with pytest.raises(UnknownDatabase) as caught:
        session.databases["archiv"]
    assert caught.value.suggestions == ["archive"]
    with pytest.raises(UnknownDatabase):
        connect(database="archiv")
    archive.close()
    session.databases.drop("archive")
    assert "archive" not in session.databases
    assert len(session.databases) == 1


SHELF = """
[Shelf]
[Shelf.attributes]
name = "text"
size = "text"
"""


def test_a_schema_is_planned_and_applied_from_text_and_files(session: Session, tmp_path: Path) -> None:
    plan = session.plan_schema(SHELF)
    assert not plan.empty
    assert any("Shelf" in line for line in plan.lines)
    assert "Shelf" not in session.types
    assert session.apply_schema(SHELF).operations
    shelf = session.create("Shelf", {"name": "s", "size": "3"})
    session.commit()
    assert shelf["name"] == "s"

    file = tmp_path / "shelf.toml"
    file.write_text(SHELF.replace('size = "text"', 'size = "integer"'))
    assert any(line.startswith("! 1 ") for line in session.plan_schema(str(file)).lines)
    assert shelf["size"] == "3"
    session.apply_schema(file)
    session.refresh(shelf)
    assert shelf["size"] == 3
    assert session.apply_schema(file).empty
    assert "Task" in session.types


def test_entities_follow_a_schema_that_changes_under_them(session: Session) -> None:
    from recordroom.model.operations import DefineAttribute, DropAttribute
    from recordroom.model.schema import Attribute

    task = session.create("Task", {"name": "t"})
    session.commit()
    with pytest.raises(UnknownAttribute):
        task["size"]
    session._committer.send_operations(
        [DefineAttribute(type="Task", attribute=Attribute(name="size", kind="integer"))], None
    )
    assert task["size"] is None
    task["size"] = 3
    session.commit()
    assert session.query("Task where size is 3").one() is task
    session._committer.send_operations([DropAttribute(type="Task", name="size")], None)
    session.reset()
    with pytest.raises(UnknownAttribute):
        session.query("Task where size is 3")


ADDED = """
[Task.attributes]
size = "integer"
facts = "mapping"
friends = { kind = "links", target = "Task" }
"""


def test_attributes_that_others_add_can_be_set_at_once(session: Session, other: Session) -> None:
    task = session.create("Task", {"name": "t"})
    session.commit()
    theirs = other.get("Task", task["id"])
    assert theirs is not None
    session.apply_schema(ADDED)
    theirs["size"] = 3
    theirs["facts"] = {"a": "b"}
    other.commit()

    session.refresh(task)
    assert (task["size"], dict(task["facts"])) == (3, {"a": "b"})


@pytest.mark.parametrize("verb", ["create", "create_many", "ensure"])
def test_attributes_that_others_add_can_be_created_with(session: Session, other: Session, verb: str) -> None:
    task = session.create("Task", {"name": "t"})
    session.commit()
    theirs = other.get("Task", task["id"])
    session.apply_schema(ADDED)
    data = {"name": "u", "size": 3, "friends": [theirs]}
    if verb == "create_many":
        other.create_many("Task", {name: [value] for name, value in data.items()})
    else:
        getattr(other, verb)("Task", data)
    other.commit()

    assert session.query("Task where size is 3").one()["friends"] == [task]
    with pytest.raises(UnknownAttribute, match="Did you mean 'size'"):
        getattr(other, verb)("Task", {"sise": [3]})


def test_changes_that_are_lost_at_the_end_are_told(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    def told(end: Callable[[Session], object]) -> list[str]:
        caplog.clear()
        with connect() as session:
            session.create("Task", {"name": "t"})
            end(session)
        return [each.message for each in caplog.records if each.name == "recordroom.session"]

    [message] = told(lambda session: None)
    assert "not committed" in message
    assert told(lambda session: session.close()) == [message]
    assert told(lambda session: session.commit()) == told(lambda session: session.rollback()) == []
    with contextlib.suppress(ZeroDivisionError):
        told(lambda session: 1 / 0)
    assert caplog.records == []


def test_entities_of_a_type_that_was_renamed_or_moved_say_so(session: Session, other: Session) -> None:
    session.apply_schema("[Cut.attributes]\nname = 'text'\n[Take.attributes]\nname = 'text'")
    session.create("Cut", {"name": "c"})
    session.create("Take", {"name": "t"})
    session.commit()
    held = [
        (each, *each.query("select name from Cut"), *each.query("select name from Take")) for each in (session, other)
    ]
    session.apply_schema(
        "[Edit]\nwas = 'Cut'\n[Edit.attributes]\nlength = 'integer'\n"
        "[Work]\nabstract = true\n[Work.attributes]\nlabel = 'text'\n[Take]\nextends = 'Work'"
    )
    for each, cut, take in held:
        assert (cut["name"], take["name"]) == ("c", "t")
        for act in (
            lambda cut=cut: cut["length"],
            lambda cut=cut: cut.__setitem__("length", 1),
            lambda take=take: take["label"],
            lambda take=take: take.__setitem__("label", "x"),
        ):
            with pytest.raises(UnknownType, match=r"renamed, dropped or put under another.*reset\(\)"):
                act()
        assert each.query("Edit").one()["length"] is None
        assert each.query("Take").one()["label"] is None


# --- contexts and endings -------------------------------------------------------------------------


def test_settings_of_a_block_hold_for_its_context_only(session: Session, other: Session) -> None:
    session.create("Task", {"name": "t", "bid": 1})
    session.commit()
    task = other.query("select name from Task").one()
    seen: list[Any] = []
    with other.auto_populating(False), other.recording(False):
        assert task["bid"] is NOT_SET
        thread = threading.Thread(target=lambda: seen.append(task["bid"]))
        thread.start()
        thread.join()
        contextvars.Context().run(lambda: seen.append(other._records()))
        with other.auto_populating(True):
            assert task["hours"] is None
        assert task["cost"] is NOT_SET
        assert session._records()

    assert seen == [1, True]
    assert other._records()


def test_a_block_discards_what_is_not_committed(connect: Connect) -> None:
    with connect() as session:
        session.create("Task", {"name": "kept"})
        session.commit()
        session.create("Task", {"name": "lost"})
    assert session.closed
    with connect() as session:
        assert [task["name"] for task in session.query("Task")] == ["kept"]


def test_reset_forgets_every_entity(session: Session) -> None:
    task = session.create("Task", {"name": "t"})
    session.commit()
    session.create("Task", {"name": "lost"})
    session.reset()
    again = session.query("Task").one()

    assert again is not task
    assert again == task
    assert session.operations == []
    again["bid"] = 1
    session.create("Task", {"name": "new"})
    session.commit()
    assert session.query("Task").count() == 2


def test_types_and_databases_are_mappings(session: Session) -> None:
    assert session.types.get("Taks") is None
    assert session.types.get("Task") is session.types["Task"]
    assert session.databases.get("nope", 3) == 3
    assert "Task" in session.types
    assert "Task" in repr(session.types)


@pytest.mark.parametrize("size", [0, -1, 1.5, "10"])
def test_a_page_has_a_row_at_least(connect: Connect, size: Any) -> None:
    with pytest.raises(InvalidValue):
        connect(page_size=size)


def test_a_session_says_what_it_is_of(session: Session) -> None:
    assert "main" in repr(session)
    assert "revision 1" in repr(session.at(1))
    session.close()
    assert "closed" in repr(session)
