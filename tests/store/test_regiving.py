"""What the room gives anew: attributes with `follows`, when what they are made of has changed."""

from __future__ import annotations

from typing import Any

import pytest

from recordroom.errors import InvalidReference, InvalidSchema, InvalidValue, NotUnique, PermissionDenied
from recordroom.model.ids import new_id, new_ids
from recordroom.model.operations import ChangeAttribute, Commit, Create, Delete, Update
from recordroom.query.request import HistoryRequest
from recordroom.store.room import Room
from tests.store.office import Office, Rule, every
from tests.store.test_giving import apply, commit
from tests.store.test_schema_changes import values

SCHEMA = """
[Context]
abstract = true
[Context.attributes]
name = "text"
parent = { kind = "reference", target = "Context", reverse = "children", on_delete = "cascade" }
project = { kind = "reference", target = "Project", on_delete = "cascade", initial = "coalesce(parent.project, id)", follows = true }

[Project]
extends = "Context"

[Shot]
extends = "Context"
[Shot.attributes]
code = { kind = "text", initial = "concat(parent.name, '_', name)", follows = true }
first = { kind = "text", initial = "name" }

[Asset]
unique = [["project", "name"]]
[Asset.attributes]
name = "text"
home = { kind = "reference", target = "Context", on_delete = "cascade" }
project = { kind = "reference", target = "Project", on_delete = "cascade", initial = "home.project", follows = true }

[Version.attributes]
asset = { kind = "reference", target = "Asset", on_delete = "cascade" }
project = { kind = "reference", target = "Project", on_delete = "cascade", initial = "asset.project", follows = true }
"""


class Tree:
    """Two projects; in the first a shot with a shot below it, with an asset and a version."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.one, self.two, self.shot, self.below, self.asset, self.version = new_ids(6)
        commit(room, Create("Project", [self.one, self.two], {"name": ["one", "two"]}))
        commit(
            room,
            Create("Shot", [self.shot, self.below], {"name": ["a", "b"], "parent": [self.one, self.shot]}),
            Create("Asset", [self.asset], {"name": ["x"], "home": [self.below]}),
            Create("Version", [self.version], {"asset": [self.asset]}),
        )

    def move(self, entity: bytes, parent: bytes | None, **facts: Any) -> Any:
        return commit(self.room, Update("Context", [entity], {"parent": [parent]}), **facts)

    def projects(self) -> list[Any]:
        return [each for name in ("Context", "Asset", "Version") for each in values(self.room, name, "project")]


@pytest.fixture
def tree(room: Room) -> Tree:
    apply(room, SCHEMA)
    return Tree(room)


# --- what follows -----------------------------------------------------------------------------------


def test_what_hangs_on_a_context_goes_along(tree: Tree) -> None:
    result = tree.move(tree.shot, tree.two)

    assert tree.projects() == [tree.one, tree.two, *[tree.two] * 4]
    assert values(tree.room, "Shot", "code") == [None, None, "two_a", "a_b"]
    assert set(result.stale) >= {("Shot", tree.below), ("Asset", tree.asset), ("Version", tree.version)}
    assert list(tree.room.check()) == []


def test_what_follows_stands_in_the_journal_and_is_reverted(tree: Tree) -> None:
    moved = tree.move(tree.shot, tree.two)

    changes = tree.room.history(HistoryRequest(type="Version", id=tree.version, attribute="project"))
    assert [each.after for each in changes] == [tree.two, tree.one]
    tree.room.revert(moved.revision, Commit(id=new_id()))
    assert tree.projects() == [tree.one, tree.two, *[tree.one] * 4]
    assert values(tree.room, "Shot", "code") == [None, None, "one_a", "a_b"]
    assert list(tree.room.check()) == []


def test_own_attributes_are_followed_and_those_of_the_other_side(tree: Tree) -> None:
    commit(tree.room, Update("Shot", [tree.shot], {"name": ["c"]}))

    assert values(tree.room, "Shot", "code")[2:] == ["one_c", "c_b"]
    assert values(tree.room, "Shot", "first")[2:] == ["a", "b"]


def test_what_is_written_by_itself_is_followed_too(tree: Tree) -> None:
    commit(tree.room, Update("Asset", [tree.asset], {"project": [tree.two]}))

    assert values(tree.room, "Asset", "project") == values(tree.room, "Version", "project") == [tree.two]


def test_a_new_parent_of_the_same_commit(tree: Tree) -> None:
    project, shot = new_ids(2)
    commit(
        tree.room,
        Create("Project", [project], {"name": ["three"]}),
        Create("Shot", [shot], {"name": ["new"], "parent": [project]}),
        Update("Shot", [tree.shot], {"parent": [shot]}),
    )

    assert tree.projects() == [tree.one, tree.two, *[project] * 2, project, project, project, project]
    assert list(tree.room.check()) == []


def test_where_nothing_is_found_what_is_there_stays(tree: Tree) -> None:
    commit(tree.room, Update("Asset", [tree.asset], {"home": [None]}))

    assert values(tree.room, "Asset", "project") == [tree.one]


def test_what_is_above_nothing_stays_where_it_is(tree: Tree) -> None:
    tree.move(tree.shot, None)

    assert tree.projects() == [tree.one, tree.two, *[tree.one] * 4]
    tree.move(tree.two, tree.one)
    assert tree.projects() == [tree.one, tree.one, *[tree.one] * 4]
    tree.move(tree.two, None)
    assert tree.projects() == [tree.one, tree.two, *[tree.one] * 4]


def test_what_goes_in_the_same_commit_is_not_given_anything(tree: Tree) -> None:
    commit(tree.room, Update("Context", [tree.shot], {"parent": [tree.two]}), Delete("Shot", [tree.below]))

    assert tree.projects() == [tree.one, tree.two, tree.two]
    assert list(tree.room.check()) == []


def test_a_change_of_other_attributes_asks_for_nothing_more(tree: Tree) -> None:
    def statements(name: str, value: Any) -> int:
        before = tree.room.driver.statements
        commit(tree.room, Update("Shot", [tree.below], {name: [value]}))
        return int(tree.room.driver.statements - before)

    plain = statements("first", "x")
    assert statements("first", "y") == plain < statements("parent", tree.two)


def test_many_take_as_many_statements_as_one(tree: Tree) -> None:
    shots = new_ids(50)
    commit(tree.room, Create("Shot", shots, {"name": ["s"] * 50, "parent": [tree.shot] * 50}))
    commit(tree.room, Create("Asset", new_ids(50), {"name": [str(each) for each in range(50)], "home": shots}))

    def statements(parent: bytes) -> int:
        before = tree.room.driver.statements
        tree.move(tree.shot, parent)
        return int(tree.room.driver.statements - before)

    many = statements(tree.two)
    commit(tree.room, Delete("Shot", shots))
    assert many == statements(tree.one)


# --- what cannot be ---------------------------------------------------------------------------------


def test_a_circle_is_refused(tree: Tree) -> None:
    for entity, parent in ((tree.shot, tree.below), (tree.shot, tree.shot), (tree.one, tree.below)):
        with pytest.raises(InvalidValue, match="circle"):
            tree.move(entity, parent)
    new, other = new_ids(2)
    with pytest.raises(InvalidValue, match="circle"):
        commit(
            tree.room,
            Create("Shot", [new], {"name": ["n"], "parent": [tree.one]}),
            Create("Shot", [other], {"name": ["o"], "parent": [new]}),
            Update("Shot", [new], {"parent": [other]}),
        )

    assert tree.projects() == [tree.one, tree.two, *[tree.one] * 4]


def test_of_two_moves_only_the_circle_is_left_out(tree: Tree) -> None:
    other = new_id()
    commit(tree.room, Create("Shot", [other], {"name": ["o"], "parent": [tree.one]}))

    result = commit(
        tree.room, Update("Shot", [tree.shot, other], {"parent": [tree.below, tree.two]}), on_error="continue"
    )

    assert [each.entity for each in result.refused] == [tree.shot]
    assert values(tree.room, "Context", "project") == [tree.one, tree.two, tree.one, tree.one, tree.two]


def test_what_is_found_is_a_value_of_its_attribute(tree: Tree) -> None:
    apply(tree.room, "[Shot.attributes]\nshort = { kind = 'text', initial = 'name', follows = true, max_length = 3 }")

    with pytest.raises(InvalidValue, match=r"Shot\.short"):
        commit(tree.room, Update("Shot", [tree.shot], {"name": ["much too long"]}))
    assert values(tree.room, "Shot", "name")[2:] == ["a", "b"]


def test_unique_sets_are_judged_with_what_is_found(tree: Tree) -> None:
    other = new_id()
    commit(tree.room, Create("Asset", [other], {"name": ["x"], "home": [tree.two]}))

    with pytest.raises(NotUnique):
        tree.move(tree.shot, tree.two)
    commit(
        tree.room,
        Update("Context", [tree.shot], {"parent": [tree.two]}),
        Update("Asset", [other], {"home": [tree.one]}),
    )
    assert values(tree.room, "Asset", "project") == [tree.two, tree.one]
    assert list(tree.room.check()) == []


def test_what_belongs_nowhere_is_told_what_it_lacks(tree: Tree) -> None:
    with pytest.raises(InvalidReference, match=r"Shot\.project has no value: set parent or project\."):
        commit(tree.room, Create("Shot", [new_id()], {"name": ["lost"]}))
    with pytest.raises(InvalidReference, match=r"is a Shot, not a Project\.$") as wrong:
        commit(tree.room, Create("Shot", [new_id()], {"name": ["lost"], "project": [tree.shot]}))
    assert "has no value" not in wrong.value.message


@pytest.mark.parametrize(
    "line",
    [
        "x = { kind = 'text', follows = true }",
        "x = { kind = 'text', initial = 'asset.name', follows = true, immutable = true }",
        "x = { kind = 'datetime', initial = 'now()', follows = true }",
        "x = { kind = 'reference', target = 'User', initial = '$actor', follows = true }\n[User.attributes]\nname = 'text'",
        "x = { kind = 'text', initial = 'asset.home.name', follows = true }",
    ],
)
def test_what_cannot_follow(tree: Tree, line: str) -> None:
    with pytest.raises(InvalidSchema):
        apply(tree.room, f"[Version.attributes]\n{line}")


def test_what_begins_to_follow_does_so_from_then_on(tree: Tree) -> None:
    attribute = tree.room.schema("main").attribute("Shot", "first")
    commit(tree.room, ChangeAttribute("Shot", type(attribute)(name="first", kind="text", initial="name", follows=True)))
    assert values(tree.room, "Shot", "first")[2:] == ["a", "b"]

    commit(tree.room, Update("Shot", [tree.shot], {"name": ["c"]}))

    assert values(tree.room, "Shot", "first")[2:] == ["c", "b"]


# --- who may ----------------------------------------------------------------------------------------


def test_rules_are_judged_with_what_is_found_and_what_goes_along_needs_none(room: Room) -> None:
    office = Office(room)
    apply(room, SCHEMA)
    tree = Tree(room)
    mine = f"project is '{tree.one.hex()}' or id is '{tree.two.hex()}'"
    ann = office.user("ann", Rule("read", "Context"), *every("Shot", mine, "update"))
    with pytest.raises(PermissionDenied):
        ann.commit(Update("Shot", [tree.shot], {"parent": [tree.two]}))

    bob = office.user("bob", Rule("read", "Project"), *every("Shot", "name is a"))
    result = bob.commit(Update("Shot", [tree.shot], {"parent": [tree.two]}))

    assert values(room, "Asset", "project") == [tree.two]
    assert {each for _, each in result.stale} & {tree.below, tree.asset, tree.version} == set()
