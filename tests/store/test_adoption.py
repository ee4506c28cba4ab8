"""A type with entities that is put under an abstract type without any."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import recordroom as rr
from recordroom.errors import InvalidReference, InvalidSchema, NotFound, NotUnique, PermissionDenied
from recordroom.model.ids import new_id, new_ids, show_id
from recordroom.model.operations import (
    ChangeAttribute,
    ChangeType,
    Commit,
    Create,
    DefineAttribute,
    DefineType,
    Delete,
    Link,
    Operation,
    SetKeys,
    Update,
)
from recordroom.model.schema import Attribute, EntityType
from recordroom.model.schema_diff import SchemaPlan, diff
from recordroom.model.schema_file import load_text
from recordroom.query.grammar import parse
from recordroom.query.request import HistoryRequest, QueryRequest, SearchRequest
from recordroom.store.account_schema import account_operations
from recordroom.store.room import Room
from tests.conftest import Places
from tests.store.account_types import account_types
from tests.store.office import Office, Rule, every
from tests.store.test_schema_changes import assert_tables_fit, commit, fetched, refused, values

NAME = Attribute(name="name", kind="text", required=True)
CONTEXT = EntityType(
    name="Context", abstract=True, attributes=(NAME, Attribute(name="sort", kind="integer", default=7))
)
TASK = EntityType(
    name="Task",
    extends="Context",
    attributes=(Attribute(name="parent", kind="reference", target="Context", reverse="children"),),
)
ADOPTED = ChangeType(EntityType(name="Project", extends="Context", unique=(("code",),)))


def project(**changes: Any) -> EntityType:
    attributes = (
        NAME,
        Attribute(name="code", kind="text"),
        Attribute(name="main", kind="reference", target="Project", reverse="parts"),
        Attribute(name="friends", kind="links", target="Project", reverse="friends_of", notes=True),
        Attribute(name="info", kind="mapping"),
    )
    return EntityType(name="Project", **{"attributes": attributes, "unique": (("code",),), **changes})


MEMBER = EntityType(
    name="Member",
    attributes=(
        Attribute(name="project", kind="reference", target="Project", reverse="members", on_delete="cascade"),
        Attribute(name="seen", kind="links", target="Project"),
    ),
)


class Stage:
    """Three projects, one of them deleted, with a past, links, keys and members."""

    def __init__(self, room: Room) -> None:
        self.ids = new_ids(3)
        self.members = new_ids(2)
        commit(room, DefineType(project()), DefineType(MEMBER))
        self.created = commit(
            room,
            Create("Project", self.ids, {"name": ["a", "b", "c"], "code": ["A", "B", "C"]}),
            Create("Member", self.members, {"project": self.ids[:2]}),
            Link("Project", "friends", self.ids[:1], self.ids[1:2], ["good"]),
            Link("Member", "seen", self.members, self.ids[:2]),
            SetKeys("Project", "info", self.ids, ["fps"] * 3, ["24", "25", "30"]),
        )
        self.changed = commit(
            room,
            Update("Project", self.ids[:2], {"name": ["a2", "b2"], "main": [None, self.ids[0]]}),
            SetKeys("Project", "info", self.ids[:1], ["fps"], ["48"]),
            Delete("Project", self.ids[2:]),
        )


def test_a_type_with_rows_brings_its_table_along(room: Room) -> None:
    stage = Stage(room)
    commit(room, DefineType(CONTEXT), ADOPTED, DefineType(TASK))

    assert_tables_fit(room)
    assert values(room, "Context", "name") == ["a2", "b2"]
    assert values(room, "Context", "entity_type") == ["Project"] * 2
    assert values(room, "Context", "entity_type", past=True) == ["Project"] * 3
    assert values(room, "Project", "code") == ["A", "B"]
    assert values(room, "Project", "sort") == [7, 7]
    assert values(room, "Member", "project") == stage.ids[:2]
    assert fetched(room, 'SELECT value FROM "main.Project.info" ORDER BY value') == [("25",), ("48",)]
    assert list(room.check()) == []


def test_life_goes_on_after_it(room: Room) -> None:
    stage = Stage(room)
    commit(room, DefineType(CONTEXT), DefineType(TASK), ADOPTED)
    fresh, task = new_ids(2)
    commit(
        room,
        Create("Project", [fresh], {"name": ["d"], "code": ["D"]}),
        Create("Task", [task], {"name": ["t"], "parent": [stage.ids[0]]}),
    )

    assert values(room, "Context", "number") == [1, 2, 4, 5]
    commit(room, Delete("Project", stage.ids[:1]), Update("Context", [fresh], {"name": ["dd"]}))
    assert values(room, "Member", "project") == [stage.ids[1]]
    assert values(room, "Task", "parent") == [None] * 3  # of a project, too
    assert list(room.check()) == []
    assert_tables_fit(room)


def test_history_revert_and_the_past_reach_back_behind_it(room: Room) -> None:
    stage = Stage(room)
    commit(room, DefineType(CONTEXT), ADOPTED)

    changes = room.history(HistoryRequest(type="Project", id=stage.ids[0], attribute="name"))
    assert [change.after for change in changes] == ["a2", "a"]
    past = room.query(QueryRequest(query=parse("select name, sort from Context order by name"), at=stage.created))
    assert past.columns["name"] == ["a", "b", "c"]
    assert past.columns["sort"] == [7, 7, 7]
    room.revert(stage.changed, Commit(id=new_id()))
    assert sorted(values(room, "Project", "name")) == ["a", "b", "c"]
    assert list(room.check()) == []


def test_words_are_found_as_before(room: Room) -> None:
    Stage(room)
    commit(room, DefineType(CONTEXT), ADOPTED)

    assert [hit.type for hit in room.search(SearchRequest(text="a2"))] == ["Project"]
    assert [hit.type for hit in room.search(SearchRequest(text="B", types=("Context",)))] == ["Project"]
    assert list(room.check()) == []


def test_a_type_with_subtypes_keeps_them(room: Room) -> None:
    stage = Stage(room)
    commit(room, DefineType(EntityType(name="Show", extends="Project")), DefineType(CONTEXT))
    show = new_id()
    commit(room, Create("Show", [show], {"name": ["s"], "main": [stage.ids[0]]}))
    commit(room, ADOPTED)

    assert values(room, "Context", "entity_type") == ["Project", "Project", "Show"]
    assert_tables_fit(room)
    assert list(room.check()) == []


def test_references_to_the_abstract_type_hold_afterwards(room: Room) -> None:
    """Also those of the type itself, of other types, and of links."""
    stage = Stage(room)
    above = Attribute(name="above", kind="reference", target="Context", reverse="below")
    note = EntityType(
        name="Note",
        attributes=(
            Attribute(name="about", kind="reference", target="Context"),
            Attribute(name="also", kind="links", target="Context"),
        ),
    )
    commit(room, DefineType(CONTEXT), DefineType(TASK), DefineType(note), DefineAttribute("Project", above))
    commit(room, Create("Note", [new_id()]))
    commit(room, ADOPTED)

    assert_tables_fit(room)
    fresh = new_id()
    commit(
        room,
        Create("Note", [fresh], {"about": [stage.ids[0]]}),
        Link("Note", "also", [fresh], stage.ids[:1]),
        Update("Project", stage.ids[1:2], {"above": stage.ids[:1]}),
    )
    with pytest.raises(InvalidReference):
        commit(room, Update("Note", [fresh], {"about": [new_id()]}))
    assert list(room.check()) == []


def test_values_that_move_up_are_held_to_what_is_declared_there(room: Room) -> None:
    Stage(room)

    def above(*attributes: Attribute) -> tuple[Operation, Operation]:
        return DefineType(EntityType(name="Context", abstract=True, attributes=attributes)), ADOPTED

    short = refused(room, *above(Attribute(name="name", kind="text", max_length=1)))
    assert (short.where, short.count, short.values) == ("Context.name", 2, ["a2", "b2"])
    lacking = refused(room, *above(NAME, Attribute(name="size", kind="integer", required=True)))
    assert (lacking.where, lacking.count) == ("Context.size", 2)
    with pytest.raises(InvalidSchema, match=r"Context\.name already"):
        commit(room, *above(Attribute(name="name", kind="long_text")))
    # A link cannot become a link to something else on the way.
    with pytest.raises(InvalidSchema, match=r"Context\.friends already"):
        commit(room, *above(NAME, Attribute(name="friends", kind="links", target="Member")))


def test_links_and_keys_move_up_with_their_values(room: Room) -> None:
    stage = Stage(room)
    friends = Attribute(name="friends", kind="links", target="Project", notes=True)
    info = Attribute(name="info", kind="mapping", of="integer")
    commit(
        room,
        ChangeAttribute("Project", friends),
        DefineType(EntityType(name="Context", abstract=True, attributes=(NAME, friends, info))),
        ADOPTED,
    )

    assert_tables_fit(room)
    assert sorted(fetched(room, 'SELECT value FROM "main.Context.info"')) == [(25,), (48,)]
    assert fetched(room, 'SELECT source, target, note FROM "main.Context.friends"') == [(*stage.ids[:2], "good")]
    assert list(room.check()) == []


def test_a_type_comes_under_nothing_but_an_abstract_type_without_entities(room: Room) -> None:
    stage = Stage(room)
    commit(room, DefineType(msgspec.structs.replace(CONTEXT, abstract=False)))
    assert "extends another type now" in refused(room, ADOPTED).reason

    commit(room, ChangeType(EntityType(name="Context", abstract=True)), DefineType(TASK))
    task = new_id()
    commit(room, Create("Task", [task], {"name": ["t"]}))
    refusal = refused(room, ADOPTED)
    assert "there are some under Context" in refusal.reason
    assert refusal.entities == [show_id(task)]

    commit(room, Delete("Task", [task]))
    room.check()
    assert "in the past" in refused(room, ADOPTED).reason
    assert values(room, "Project", "id") == stage.ids[:2]


def test_unique_sets_are_judged_with_the_names_they_have_then(room: Room) -> None:
    Stage(room)
    unique = EntityType(
        name="Context", abstract=True, attributes=(NAME, Attribute(name="code", kind="text")), unique=(("code",),)
    )
    commit(room, Update("Project", values(room, "Project", "id"), {"name": ["x", "x"]}))
    both = ChangeType(EntityType(name="Project", extends="Context", unique=(("name",),)))
    assert refused(room, DefineType(unique), both).count == 2

    commit(room, DefineType(unique), ChangeType(EntityType(name="Project", extends="Context")))
    with pytest.raises(NotUnique):
        commit(room, Create("Project", [new_id()], {"name": ["y"], "code": ["A"]}))
    assert_tables_fit(room)


# --- accounts -------------------------------------------------------------------------------------

TRACKING = """
[Context]
abstract = true
[Context.attributes]
name = { kind = "text", required = true }
info = "mapping"

[Project]
extends = "Context"
[Project.attributes]
full_name = "text"

[Work]
extends = "Context"
abstract = true
[Work.attributes]
parent = { kind = "reference", target = "Context", reverse = "children", on_delete = "cascade" }
project = { kind = "reference", target = "Project" }
watchers = { kind = "links", target = "User", reverse = "watched" }

[Job]
extends = "Work"
"""


def documented(room: Room, text: str) -> SchemaPlan:
    """Apply a document."""
    found = diff(room.schema("main"), load_text(text))
    commit(room, *found.operations)
    return found


def test_a_document_puts_the_projects_of_accounts_under_a_type_of_its_own(room: Room) -> None:
    commit(room, *account_types())
    ids = new_ids(2)
    commit(room, Create("Project", ids, {"name": ["a", "b"]}))
    plan = documented(room, TRACKING)

    assert plan.lines[:2] == ("> Context.name was Project.name", '~ Project extends: "" → "Context"')
    assert "+ Context.name text, required" not in plan.lines
    assert not any(line.startswith("-") for line in plan.lines)
    assert "Project.name" not in plan.left_alone
    assert diff(room.schema("main"), load_text(TRACKING)).empty
    assert values(room, "Context", "id") == ids
    assert_tables_fit(room)
    commit(room, *account_operations(room.schema("main")))
    assert list(room.check()) == []


def test_a_room_without_projects_comes_to_the_same_tables(room: Room) -> None:
    commit(room, *account_types())
    documented(room, TRACKING)

    assert_tables_fit(room)
    commit(room, Create("Project", [new_id()], {"name": ["a"], "full_name": ["A"]}))
    assert list(room.check()) == []


def test_members_see_their_projects_and_what_belongs_to_them(room: Room) -> None:
    office = Office(room)
    mine, other = (office.create_one("Project", name=name) for name in ("mine", "other"))
    own = "project in $actor.projects"
    rules = [
        *every("*", own),
        Rule("read", "Project", "id in $actor.projects"),
        Rule("update", "Project", "id in $actor.projects"),
        Rule("read", "User"),
    ]
    worker = office.user("ann", *rules)
    office.create_one("ProjectMember", project=mine, user=worker.id)
    office.create_one("Share", type="Project", entity=other, user=worker.id, access="read")
    documented(room, TRACKING)
    jobs = [office.create_one("Job", name=name, project=project) for name, project in (("x", mine), ("y", other))]

    def seen(type_name: str) -> list[str]:
        page = worker.room.query(QueryRequest(query=parse(f"select name from {type_name} order by name")))
        return page.columns["name"]

    assert seen("Project") == ["mine", "other"]
    assert seen("Context") == ["mine", "other", "x"]
    assert seen("Job") == ["x"]
    worker.commit(
        Update("Project", [mine], {"full_name": ["Mine"]}),
        Create("Job", [new_id()], {"name": ["z"], "project": [mine]}),
    )
    for project in (other, jobs[1]):
        with pytest.raises((PermissionDenied, NotFound)):
            worker.commit(Update("Context", [project], {"name": ["no"]}))
    # What a job is linked to is up to the job alone, though projects are about accounts.
    worker.commit(Link("Job", "watchers", jobs[:1], [worker.id]))
    assert list(room.check()) == []


def test_work_beside_the_projects_does_not_ask_for_the_facts_of_actors_anew(room: Room) -> None:
    office = Office(room)
    documented(room, TRACKING)
    before = fetched(room, "SELECT access_revision FROM rr_room")

    job = office.create_one("Job", name="x")
    office.commit(Update("Job", [job], {"name": ["y"]}), SetKeys("Job", "info", [job], ["fps"], ["24"]))
    assert fetched(room, "SELECT access_revision FROM rr_room") == before
    office.create_one("Project", name="p")
    assert fetched(room, "SELECT access_revision FROM rr_room") != before


def test_a_session_goes_on_with_what_it_asks_for_again(places: Places) -> None:
    with rr.connect(places()) as session:
        session.apply_schema(
            '[Project.attributes]\nname = "text"\n[Member.attributes]\n'
            'project = { kind = "reference", target = "Project", reverse = "members" }'
        )
        first = session.create("Project", {"name": "a"})
        session.create("Member", {"project": first})
        session.commit()
        plan = session.plan_schema(TRACKING.replace('target = "User"', 'target = "Member"'))
        assert "! 1 entity of Project comes under Context" in plan.lines

        session.apply_schema(TRACKING.replace('target = "User"', 'target = "Member"'))
        project = session.query("Project").one()
        job = session.create("Job", {"name": "x", "parent": project, "project": project})
        project["info"]["fps"] = "24"
        session.commit()

        assert session.query("Context order by name").all() == [project, job]
        assert [each["project"] for each in project["members"]] == [project]
        assert project["children"] == [job]
        assert [change.after for change in session.history(project, "name")] == ["a"]
