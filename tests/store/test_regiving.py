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


def test_what_moves_away_is_not_deleted_with_what_it_was_in(tree: Tree) -> None:
    new = new_id()
    commit(
        tree.room,
        Create("Shot", [new], {"name": ["new"], "parent": [tree.two]}),
        Update("Context", [tree.shot], {"parent": [new]}),
        Delete("Project", [tree.one]),
    )

    assert tree.projects() == [tree.two] * 6
    assert list(tree.room.check()) == []


def test_a_reference_that_a_delete_clears_is_followed(room: Room) -> None:
    apply(room, SCHEMA)
    apply(
        room,
        """
[Note.attributes]
context = { kind = "reference", target = "Context" }
asset = { kind = "reference", target = "Asset" }
project = { kind = "reference", target = "Project", initial = "coalesce(context.project, asset.project)", follows = true }
""",
    )
    tree = Tree(room)
    shot, note = new_ids(2)
    commit(room, Create("Shot", [shot], {"name": ["s"], "parent": [tree.two]}))
    commit(room, Create("Note", [note], {"context": [shot], "asset": [tree.asset]}))
    assert values(room, "Note", "project") == [tree.two]

    commit(room, Delete("Shot", [shot]))

    assert values(room, "Note", "project") == [tree.one]
    assert list(room.check()) == []


def test_what_is_deleted_and_created_again_is_followed(tree: Tree) -> None:
    commit(
        tree.room,
        Delete("Asset", [tree.asset]),
        Create("Asset", [tree.asset], {"name": ["x"], "home": [tree.shot], "project": [tree.two]}),
    )

    assert values(tree.room, "Asset", "project") == values(tree.room, "Version", "project") == [tree.two]


def test_trees_may_be_deep(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recordroom.store.regiving._MOST_TIMES", 2)
    shots = new_ids(30)
    commit(tree.room, Create("Shot", shots, {"name": ["d"] * 30, "parent": [tree.shot, *shots[:-1]]}))

    tree.move(tree.shot, tree.two)

    assert set(tree.projects()[2:]) == {tree.two}


def test_what_comes_under_in_a_commit_that_hands_unique_names_around(room: Room) -> None:
    apply(room, SCHEMA.replace("abstract = true", 'abstract = true\nunique = [["parent", "name"]]'))
    tree = Tree(room)
    other, new = new_ids(2)
    commit(room, Create("Shot", [other], {"name": ["o"], "parent": [tree.one]}))

    commit(
        room,
        Update("Context", [tree.shot], {"parent": [tree.two]}),
        Create("Shot", [new], {"name": ["n"], "parent": [tree.shot]}),
        Update("Shot", [other], {"parent": [tree.shot], "name": ["b"]}),
        Update("Shot", [tree.below], {"name": ["c"]}),
    )

    assert set(values(room, "Shot", "project")[2:]) == {tree.two}
    assert list(room.check()) == []


def test_what_follows_through_something_that_is_given(room: Room) -> None:
    apply(room, SCHEMA)
    apply(room, "[Context.attributes]\nfps = { kind = 'integer', initial = 'project.fps', follows = true }")
    tree = Tree(room)
    moved = tree.move(tree.two, tree.one)

    room.revert(moved.revision, Commit(id=new_id()))
    commit(room, Update("Project", [tree.one], {"fps": [24]}))

    assert values(room, "Context", "project")[:2] == [tree.one, tree.two]
    assert values(room, "Context", "fps") == [24, None, 24, 24]


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


def test_a_circle_through_references_of_two_types_is_refused(room: Room) -> None:
    up = """
up = { kind = "reference", target = "Context" }
x = { kind = "text", initial = "up.name", follows = true }
"""
    head = "[Context]\nabstract = true\n[Context.attributes]\nname = 'text'\n"
    apply(room, head + "".join(f"[{each}]\nextends = 'Context'\n[{each}.attributes]{up}" for each in ("Shot", "Take")))
    shot, take = new_ids(2)
    commit(room, Create("Shot", [shot], {"name": ["s"]}), Create("Take", [take], {"name": ["t"], "up": [shot]}))

    with pytest.raises(InvalidValue, match="circle"):
        commit(room, Update("Shot", [shot], {"up": [take]}))


def test_what_never_comes_to_rest_is_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recordroom.store.regiving._MOST_TIMES", 20)
    apply(
        room,
        "".join(
            f"""
[{name}.attributes]
other = {{ kind = "reference", target = "{target}" }}
count = {{ kind = "integer", initial = "other.count + 1", follows = true }}
"""
            for name, target in (("Shot", "Take"), ("Take", "Shot"))
        ),
    )
    shot, take = new_ids(2)
    commit(room, Create("Shot", [shot], {"count": [1]}), Create("Take", [take], {"other": [shot]}))

    with pytest.raises(InvalidValue, match="never comes to rest"):
        commit(room, Update("Shot", [shot], {"other": [take]}))
    assert [values(room, name, "count") for name in ("Shot", "Take")] == [[1], [2]]


def test_what_would_put_something_wrong_below_it_is_left_out(tree: Tree) -> None:
    other, free = new_ids(2)
    commit(
        tree.room,
        Create("Asset", [other], {"name": ["x"], "home": [tree.two]}),
        Create("Shot", [free], {"name": ["f"], "parent": [tree.one]}),
    )

    result = commit(tree.room, Update("Shot", [tree.shot, free], {"parent": [tree.two, tree.two]}), on_error="continue")

    assert [(each.type, each.entity, each.code) for each in result.refused] == [("Shot", tree.shot, "not_unique")]
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


def test_errors_do_not_tell_what_is_in_something_unseen_that_follows(room: Room) -> None:
    office = Office(room)
    apply(room, SCHEMA)
    apply(
        room, "[Version.attributes]\nlabel = { kind = 'text', initial = 'asset.name', follows = true, max_length = 3 }"
    )
    tree = Tree(room)
    commit(room, Create("Asset", [new_id()], {"name": ["x"], "home": [tree.two]}))
    bob = office.user("bob", Rule("read", "Project"), *every("Shot"), Rule("read", "Asset"), Rule("update", "Asset"))
    with pytest.raises(InvalidValue) as wrong:
        bob.commit(Update("Asset", [tree.asset], {"name": ["much too long"]}))
    assert wrong.value.facts["value"] is None

    ann = office.user("ann", Rule("read", "Project"), *every("Shot"))
    with pytest.raises(NotUnique) as clash:
        ann.commit(Update("Shot", [tree.shot], {"parent": [tree.two]}))
    assert clash.value.facts["values"] == (None, None)
    assert "existing" not in clash.value.facts
