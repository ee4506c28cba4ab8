"""What the room gives to new entities: numbers within a reference, and values of expressions."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from recordroom.errors import (
    CreateCycle,
    InvalidReference,
    InvalidSchema,
    InvalidValue,
    MissingValue,
    NotUnique,
    SchemaChangeRefused,
)
from recordroom.model.ids import new_id, new_ids, show_id
from recordroom.model.operations import (
    ChangeAttribute,
    Commit,
    CommitResult,
    Create,
    DefineAttribute,
    DefineType,
    Delete,
    Operation,
    RenameAttribute,
    Update,
)
from recordroom.model.schema import Attribute, EntityType
from recordroom.model.schema_diff import diff
from recordroom.model.schema_file import load_text
from recordroom.query.request import HistoryRequest
from recordroom.store.room import Room
from tests.store.office import Office, Rule, every
from tests.store.test_schema_changes import values

SCHEMA = """
[Kind.attributes]
name = "text"

[Context]
abstract = true
unique = [["parent", "name"]]
[Context.attributes]
name = { kind = "text", required = true }
parent = { kind = "reference", target = "Context", reverse = "children", on_delete = "cascade" }
project = { kind = "reference", target = "Project", on_delete = "cascade", initial = "coalesce(parent.project, id)" }
made = { kind = "datetime", initial = "now()" }
day = { kind = "date", initial = "today()" }
kind = { kind = "reference", target = "Kind" }

[Project]
extends = "Context"

[Shot]
extends = "Context"
initials = { kind = "'01890a5d-ac96-774b-bcce-b302099a8057'" }

[Task]
extends = "Context"
[Task.attributes]
bid = { kind = "integer", initial = "2 * length(parent.name)", max = 20 }
title = { kind = "text", initial = "concat(project.name, ' / ', name, ' ', bid)" }

[Asset.attributes]
name = "text"
home = { kind = "reference", target = "Context" }

[Version]
unique = [["asset", "count"]]
[Version.attributes]
asset = { kind = "reference", target = "Asset", on_delete = "cascade" }
count = { kind = "integer", numbered = "asset" }
label = { kind = "text", initial = "concat(asset.home.project.name, '_v', count)" }
"""
KIND = bytes.fromhex("01890a5dac96774bbcceb302099a8057")


def apply(room: Room, text: str) -> None:
    commit(room, *diff(room.schema("main"), load_text(text)).operations)


def commit(room: Room, *operations: Operation, **facts: Any) -> CommitResult:
    return room.commit(Commit(**{"id": new_id(), "operations": list(operations), **facts}))


@pytest.fixture
def tracking(room: Room) -> Room:
    apply(room, SCHEMA)
    commit(room, Create("Kind", [KIND], {"name": ["shot"]}))
    return room


def made(room: Room) -> list[Create]:
    """The creates of the last commit, as the journal has them."""
    last = room.journal(room.driver.run(_head(room)) - 1)
    return [each for each in last[-1].operations if isinstance(each, Create)]


def _head(room: Room) -> Any:
    from recordroom.store.plans import ROOM

    [(_, _, revision)] = yield ROOM
    return revision


# --- expressions ----------------------------------------------------------------------------------


def test_parents_of_the_same_commit_come_first_whatever_the_order(tracking: Room) -> None:
    project, sequence, shot, task = new_ids(4)
    commit(
        tracking,
        Create("Task", [task], {"name": ["t"], "parent": [shot]}),
        Create("Shot", [shot, sequence], {"name": ["shot", "sequence"], "parent": [sequence, project]}),
        Create("Project", [project], {"name": ["film"]}),
    )

    assert values(tracking, "Context", "project") == [project] * 4
    assert values(tracking, "Task", "title")[0] == "film / t 8"
    assert list(tracking.check()) == []


def test_what_is_there_already_is_looked_up(tracking: Room) -> None:
    project, *shots = new_ids(3)
    commit(tracking, Create("Project", [project], {"name": ["film"]}))
    commit(tracking, Create("Shot", shots, {"name": ["a", "b"], "parent": [project] * 2}))
    tasks = new_ids(4)
    commit(tracking, Create("Task", tasks, {"name": ["w", "x", "y", "z"], "parent": [*shots, *shots]}))

    assert values(tracking, "Context", "project") == [project] * 7
    assert values(tracking, "Context", "kind") == [None, KIND, KIND, None, None, None, None]


def test_what_is_said_is_kept_and_updates_change_nothing(tracking: Room) -> None:
    first, second, task, shot = new_ids(4)
    commit(tracking, Create("Project", [first, second], {"name": ["a", "b"]}))
    columns = {"name": ["t"], "parent": [first], "project": [second], "bid": [1], "made": [5]}
    commit(tracking, Create("Task", [task], columns))
    commit(tracking, Create("Shot", [shot], {"name": ["s"], "parent": [first]}))
    commit(tracking, Update("Context", [task, shot], {"parent": [second] * 2}), Update("Task", [task], {"bid": [None]}))

    assert values(tracking, "Context", "project") == [first, second, second, first]
    assert values(tracking, "Task", "bid")[2:] == [None, None]
    assert values(tracking, "Context", "made")[2] == 5


def test_values_of_later_operations_of_the_commit_count(tracking: Room) -> None:
    first, second, shot, task = new_ids(4)
    commit(
        tracking,
        Create("Project", [first, second], {"name": ["a", "b"]}),
        Create("Shot", [shot], {"name": ["s"], "parent": [first]}),
        Create("Task", [task], {"name": ["t"], "parent": [shot]}),
        Update("Shot", [shot], {"parent": [second], "kind": [None]}),
        Update("Task", [task], {"title": ["said"]}),
    )

    assert values(tracking, "Context", "project") == [first, second, second, second]
    assert values(tracking, "Task", "title")[3] == "said"
    assert list(tracking.check()) == []


def test_moments_are_those_of_the_commit(tracking: Room) -> None:
    result = commit(tracking, Create("Project", [new_id()], {"name": ["a"]}))

    assert values(tracking, "Context", "made") == [result.time]
    assert values(tracking, "Context", "day") == [result.time // 86_400_000_000]


def test_given_values_stand_in_the_journal_and_in_the_answer(tracking: Room) -> None:
    project, task = new_ids(2)
    sent = Commit(
        id=new_id(),
        operations=[
            Create("Asset", []),
            Create("Project", [project], {"name": ["film"]}),
            Create("Task", [task, new_id()], {"name": ["t", "u"], "parent": [project] * 2, "bid": [None, 3]}),
        ],
    )
    result = tracking.commit(sent)

    assert result.given[0] == {}
    assert result.given[1]["project"] == [project]
    assert result.given[2]["project"] == [project]  # the same for both
    assert result.given[2]["bid"] == [8, 3]
    assert result.given[2]["title"] == ["film / t 8", "film / u 3"]
    assert made(tracking)[1].columns == {
        "name": ["t", "u"], "parent": [project] * 2, "project": [project] * 2, "bid": [8, 3],
        "title": result.given[2]["title"], "made": [result.time] * 2, "day": [result.time // 86_400_000_000] * 2,
    }  # fmt: skip
    # Nobody's lists were changed, and asking again tells the same.
    assert sent.operations[2].columns["bid"] == [None, 3]  # type: ignore[union-attr]
    again = tracking.commit(sent)
    assert again.repeated
    assert again.given == result.given


def test_what_was_said_for_all_is_not_told_again(tracking: Room) -> None:
    project = new_id()
    said = {"name": ["film"], "project": [project], "made": [5], "day": [1]}

    assert commit(tracking, Create("Project", [project], said)).given == []


def test_trees_that_grow_in_any_order_know_their_root(tracking: Room) -> None:
    dice = Random(7)
    roots: dict[bytes, bytes] = {}
    for _ in range(6):
        fresh = new_ids(20)
        parents: dict[bytes, bytes | None] = {}
        for each in fresh:
            parents[each] = dice.choice([*roots, *parents, None]) if dice.random() < 0.9 else None
        for each, parent in parents.items():
            roots[each] = each if parent is None else roots[parent]
        dice.shuffle(fresh)
        blocks: list[Operation] = []
        for each in fresh:
            type_name = "Project" if parents[each] is None else dice.choice(["Shot", "Task"])
            blocks.append(
                Create(type_name, [each], {"name": [show_id(each)], "parent": [parents[each]], "kind": [KIND]})
            )
            if type_name == "Task":
                blocks[-1].columns["bid"] = [1]  # type: ignore[union-attr]
        commit(tracking, *blocks)

    assert dict(zip(values(tracking, "Context", "id"), values(tracking, "Context", "project"), strict=True)) == roots
    assert list(tracking.check()) == []


def test_a_commit_that_gives_nothing_tells_nothing(tracking: Room) -> None:
    assert commit(tracking, Create("Asset", [new_id()], {"name": ["a"]})).given == []


def test_a_value_that_the_attribute_does_not_take_is_refused(tracking: Room) -> None:
    project, good, bad = new_ids(3)
    commit(tracking, Create("Project", [project], {"name": ["a"]}))
    long = new_id()
    operations = [
        Create("Shot", [long], {"name": ["x" * 11], "parent": [project]}),
        Create("Task", [good, bad], {"name": ["a", "b"], "parent": [project, long]}),
    ]
    with pytest.raises(InvalidValue) as caught:
        commit(tracking, *operations)
    assert (caught.value.attribute, caught.value.entity, caught.value.value) == ("bid", show_id(bad), 22)

    result = commit(tracking, *operations, on_error="continue")
    assert [each.entity for each in result.refused] == [bad]
    assert result.given[1]["bid"] == [2]
    assert list(tracking.check()) == []


def test_a_reference_of_another_type_is_refused(tracking: Room) -> None:
    with pytest.raises(InvalidReference) as caught:
        commit(tracking, Create("Shot", [new_id()], {"name": ["lost"]}))
    assert (caught.value.attribute, caught.value.found) == ("project", "Shot")


def test_what_is_required_and_is_not_found_is_missing(room: Room) -> None:
    apply(
        room,
        '[T.attributes]\nup = { kind = "reference", target = "T" }\n'
        'name = { kind = "text", required = true, initial = "up.name" }',
    )
    first = new_id()
    with pytest.raises(MissingValue):
        commit(room, Create("T", [first]))
    commit(room, Create("T", [first], {"name": ["a"]}), Create("T", [new_id()], {"up": [first]}))
    assert values(room, "T", "name") == ["a", "a"]


def test_circles_of_new_entities_are_refused_as_ever(tracking: Room) -> None:
    a, b = new_ids(2)
    with pytest.raises(CreateCycle):
        commit(tracking, Create("Task", [a, b], {"name": ["a", "b"], "parent": [b, a]}))


def test_long_chains_take_no_recursion(tracking: Room) -> None:
    project, *chain = new_ids(1_500)
    commit(
        tracking,
        Create("Shot", chain[::-1], {"name": ["s"] * len(chain), "parent": [project, *chain[:-1]][::-1]}),
        Create("Project", [project], {"name": ["film"]}),
    )

    assert set(values(tracking, "Context", "project")) == {project}


def test_values_are_given_with_care_where_unique_values_change_hands(tracking: Room) -> None:
    """What is kept back meanwhile is known all the same."""
    project, shot = new_ids(2)
    commit(tracking, Create("Project", [project], {"name": ["film"]}), Create("Asset", [shot]))
    old, task, other = new_ids(3)
    commit(tracking, Create("Task", [old], {"name": ["t"], "parent": [project]}))
    asset, versions = new_id(), new_ids(2)
    commit(tracking, Create("Asset", [asset], {"home": [project]}), Create("Version", [new_id()], {"asset": [asset]}))
    commit(
        tracking,
        Create("Task", [task], {"name": ["t"], "parent": [project]}),
        Create("Task", [other], {"name": ["u"], "parent": [task]}),
        Update("Task", [old], {"name": ["older"]}),
        Create("Version", versions, {"asset": [asset] * 2, "count": [None, 7]}),
    )

    assert values(tracking, "Context", "project") == [project] * 4
    assert values(tracking, "Task", "title")[2:] == ["film / t 8", "film / u 2"]
    assert values(tracking, "Version", "count") == [1, 8, 7]
    assert list(tracking.check()) == []
    with pytest.raises(NotUnique):
        commit(tracking, Create("Version", [new_id()], {"asset": [asset], "count": [7]}))


def test_what_is_deleted_again_is_given_nothing(tracking: Room) -> None:
    project, task = new_ids(2)
    commit(
        tracking,
        Create("Project", [project], {"name": ["film"]}),
        Create("Task", [task], {"name": ["t"], "parent": [project]}),
        Delete("Task", [task]),
    )

    assert values(tracking, "Context", "project") == [project]
    assert list(tracking.check()) == []


def test_what_comes_back_has_what_it_had(tracking: Room) -> None:
    project, task = new_ids(2)
    commit(tracking, Create("Project", [project], {"name": ["film"]}))
    commit(tracking, Create("Task", [task], {"name": ["t"], "parent": [project]}))
    commit(tracking, Update("Task", [task], {"bid": [None], "title": [None]}))
    gone = commit(tracking, Delete("Task", [task])).revision
    tracking.revert(gone, Commit(id=new_id()))

    assert values(tracking, "Task", "bid") == [None, None]
    assert values(tracking, "Context", "project") == [project, project]
    assert list(tracking.check()) == []


def test_what_refers_to_itself_comes_back(tracking: Room) -> None:
    project = new_id()
    commit(tracking, Create("Project", [project], {"name": ["film"]}))
    commit(tracking, Create("Task", [new_id()], {"name": ["t"], "parent": [project]}))
    gone = commit(tracking, Delete("Project", [project])).revision
    assert values(tracking, "Context", "id") == []
    tracking.revert(gone, Commit(id=new_id()))

    assert values(tracking, "Context", "project") == [project] * 2
    assert list(tracking.check()) == []


# --- numbers --------------------------------------------------------------------------------------


def test_new_entities_are_counted_within_a_reference_in_the_order_of_the_commit(tracking: Room) -> None:
    home, a, b = new_ids(3)
    commit(
        tracking,
        Create("Project", [home], {"name": ["film"]}),
        Create("Asset", [a, b], {"home": [home, None]}),
        Create("Version", new_ids(3), {"asset": [a, b, a]}),
        Create("Version", new_ids(2), {"asset": [a, None]}),
    )

    assert values(tracking, "Version", "count") == [1, 1, 2, 3, None]
    assert values(tracking, "Version", "label") == ["film_v1", "_v1", "film_v2", "film_v3", "_v"]
    commit(tracking, Create("Version", new_ids(2), {"asset": [b, a]}))
    assert values(tracking, "Version", "count") == [1, 1, 2, 3, None, 2, 4]
    assert list(tracking.check()) == []


def test_numbers_go_on_above_the_highest_that_there_is(tracking: Room) -> None:
    asset = new_id()
    commit(tracking, Create("Asset", [asset]))
    commit(tracking, Create("Version", new_ids(3), {"asset": [asset] * 3, "count": [None, 5, None]}))

    assert values(tracking, "Version", "count") == [6, 5, 7]


def test_there_is_no_number_above_the_largest(tracking: Room) -> None:
    asset, late = new_ids(2)
    commit(tracking, Create("Asset", [asset]), Create("Version", [new_id()], {"asset": [asset], "count": [2**63 - 1]}))

    with pytest.raises(InvalidValue) as caught:
        commit(tracking, Create("Version", [late], {"asset": [asset]}))
    assert caught.value.entity == show_id(late)


def test_a_required_number_without_a_reference_is_missing(tracking: Room) -> None:
    required = Attribute(name="count", kind="integer", numbered="asset", required=True)
    commit(tracking, ChangeAttribute("Version", required))

    with pytest.raises(MissingValue):
        commit(tracking, Create("Version", [new_id()]))


# --- work -----------------------------------------------------------------------------------------


def statements(room: Room, *operations: Operation) -> int:
    before = room.driver.statements
    commit(room, *operations)
    return room.driver.statements - before


def test_the_number_of_statements_does_not_follow_the_number_of_entities(tracking: Room) -> None:
    project, *assets = new_ids(101)
    commit(
        tracking, Create("Project", [project], {"name": ["film"]}), Create("Asset", assets, {"home": [project] * 100})
    )

    def tasks(count: int) -> list[Operation]:
        ids = new_ids(count)
        return [
            Create("Task", ids, {"name": [show_id(each) for each in ids], "parent": [project] * count}),
            Create("Version", new_ids(count), {"asset": assets[:count]}),
        ]

    statements(tracking, *tasks(1))
    assert statements(tracking, *tasks(2)) == statements(tracking, *tasks(100))


def test_what_is_given_is_written_with_the_rest(room: Room) -> None:
    apply(room, '[Plain.attributes]\nname = "text"\n[Moment.attributes]\nat = { kind = "datetime", initial = "now()" }')
    statements(room, Create("Plain", [new_id()]))

    plain = statements(room, Create("Plain", [new_id()]))
    assert statements(room, Create("Moment", [new_id()])) == plain


# --- who ------------------------------------------------------------------------------------------

WORK = """
[Scene.attributes]
name = "text"
hidden = { kind = "boolean", default = false }
project = { kind = "reference", target = "Project" }
owner = { kind = "reference", target = "User", initial = "$actor" }

[Job.attributes]
name = "text"
scene = { kind = "reference", target = "Scene" }
project = { kind = "reference", target = "Project", initial = "scene.project" }
author = { kind = "reference", target = "User", initial = "coalesce(scene.owner, $actor)" }
"""


def test_the_actor_is_the_user_and_nobody_for_the_owner_of_the_room(room: Room) -> None:
    office = Office(room)
    apply(room, WORK)
    ann = office.user("ann", *every("*"), *every("User"))
    office.create_one("Scene", name="a")
    result = ann.commit(Create("Scene", [new_id()], {"name": ["b"]}))

    assert values(room, "Scene", "owner") == [None, ann.id]
    assert result.given == [{"owner": [ann.id]}]


def test_rules_are_judged_with_what_was_given(room: Room) -> None:
    office = Office(room)
    apply(room, WORK)
    project, other = (office.create_one("Project", name=name) for name in "xy")
    scene, closed = (
        office.create_one("Scene", name=name, project=each) for name, each in (("s", project), ("c", other))
    )
    own = "project in $actor.projects"
    ann = office.user("ann", Rule("read", "Scene"), Rule("create", "Job", own), Rule("read", "Job", own))
    office.create_one("ProjectMember", project=project, user=ann.id)

    result = ann.commit(Create("Job", [new_id()], {"name": ["j"], "scene": [scene]}))
    with pytest.raises(Exception, match="creating"):
        ann.commit(Create("Job", [new_id()], {"name": ["k"], "scene": [closed]}))
    # Ann does not see projects: nothing tells her which one it is.
    assert values(room, "Job", "project") == [project]
    assert result.given == [{"author": [ann.id]}]
    assert list(room.check()) == []


def test_another_user_is_not_told_what_was_given(room: Room) -> None:
    office = Office(room)
    apply(room, WORK)
    ann, bob = (office.user(name, *every("*"), *every("User")) for name in ("ann", "bob"))
    sent = Commit(id=new_id(), operations=[Create("Scene", [new_id()], {"name": ["b"]})])
    ann.room.commit(sent)

    assert ann.room.commit(sent).given == [{"owner": [ann.id]}]
    renamed = office.room.acting(type(ann.actor)(name="ann", user=bob.id))
    assert renamed.commit(sent).given == []


# --- schemas --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "where", "reason"),
    [
        ('x = { kind = "text", initial = "nme" }', "T.x", "no attribute 'nme'"),
        ('x = { kind = "text", initial = "name +" }', "T.x", "found"),
        ('x = { kind = "integer", initial = "name" }', "T.x", "is a text, not an integer"),
        ('x = { kind = "integer", initial = "\'five\'" }', "T.x", "expected an integer"),
        ('x = { kind = "date", initial = "now()" }', "T.x", "expected a date"),
        ('x = { kind = "text", initial = "$user" }', "T.x", r"no value was given for \$user"),
        ('x = { kind = "integer", initial = "count(ups)" }', "T.x", "without collections"),
        ('x = { kind = "datetime", initial = "up.created_at" }', "T.x", "moments of changes"),
        ('x = { kind = "text", initial = "y" }\ny = { kind = "text", initial = "x" }', "T", "in a circle: x → y → x"),
        ('x = { kind = "integer", initial = "" }', "T.x", "the expression is empty"),
        ('x = { kind = "integer", initial = "1", default = 2 }', "T.x", "has no default"),
        ('x = { kind = "integer", initial = "1", numbered = "up" }', "T.x", "has no initial"),
        ('x = { kind = "integer", initial = "1", multi = true }', "T.x", "not for multi integer"),
        ('x = { kind = "mapping", initial = "1" }', "T.x", "not for mapping"),
        ('x = { kind = "integer", initial = "1", computed = "2" }', "T.x", "a computed attribute cannot have this"),
        ('x = { kind = "text", numbered = "up" }', "T.x", "this is for integer"),
        ('x = { kind = "integer", numbered = "upp" }', "T.x", "no attribute 'upp'"),
        ('x = { kind = "integer", numbered = "name" }', "T.x", "counts within a reference"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(
    room_sqlite: Room, attributes: str, where: str, reason: str
) -> None:
    base = 'name = "text"\nup = { kind = "reference", target = "T", reverse = "ups" }\n'
    with pytest.raises(InvalidSchema, match=reason) as caught:
        apply(room_sqlite, f"[T.attributes]\n{base}{attributes}")

    assert str(caught.value.where).endswith(where)


@pytest.mark.parametrize(
    ("initials", "reason"),
    [
        ('{ nme = "1" }', "no attribute 'nme'"),
        ('{ sizes = "1" }', "not a stored scalar"),
        ('{ size = "1" }', "without a default"),
        ('{ name = "" }', "an empty expression"),
        ('{ name = "size" }', "initials: name: .* not a text"),
        ('["name"]', "expected a table"),
    ],
)
def test_initials_of_a_type_are_checked_like_those_of_attributes(room_sqlite: Room, initials: str, reason: str) -> None:
    text = (
        f'[T]\ninitials = {initials}\n[T.attributes]\nname = "text"\nsize = {{ kind = "integer", default = 1 }}\n'
        'sizes = { kind = "integer", multi = true }'
    )
    with pytest.raises(InvalidSchema, match=reason) as caught:
        apply(room_sqlite, text)

    assert str(caught.value.where).endswith("T")


def test_names_in_expressions_follow_renames(tracking: Room) -> None:
    commit(
        tracking,
        RenameAttribute("Context", "parent", "above"),
        RenameAttribute("Version", "asset", "thing"),
        RenameAttribute("Context", "kind", "sort"),
    )
    schema = tracking.schema("main")

    assert schema.initials("Task")["project"] == "coalesce(above.project, id)"
    assert schema.initials("Shot")["sort"] == "'01890a5d-ac96-774b-bcce-b302099a8057'"
    assert schema.numbered("Version") == {"count": "thing"}
    project = new_id()
    commit(
        tracking,
        Create("Project", [project], {"name": ["p"]}),
        Create("Shot", [new_id()], {"name": ["s"], "above": [project]}),
    )


def test_a_new_expression_holds_for_what_is_created_from_then_on(room: Room) -> None:
    commit(room, DefineType(EntityType(name="T", attributes=(Attribute(name="a", kind="integer"),))))
    commit(room, Create("T", [new_id()], {"a": [1]}))
    commit(room, DefineAttribute("T", Attribute(name="b", kind="integer", initial="a + 1")))
    commit(room, Create("T", [new_id()], {"a": [1]}))
    commit(room, ChangeAttribute("T", Attribute(name="b", kind="integer")))
    commit(room, Create("T", [new_id()], {"a": [1]}))

    assert values(room, "T", "b") == [2, 2, None]


# --- what is there already ------------------------------------------------------------------------


def test_a_new_attribute_gives_to_what_is_there(room: Room) -> None:
    apply(room, '[T.attributes]\nname = "text"\nup = { kind = "reference", target = "T" }')
    top, middle, low = new_ids(3)
    commit(room, Create("T", [low, middle, top], {"name": ["c", "b", "a"], "up": [middle, top, None]}))
    apply(
        room,
        """
[T.attributes]
path = { kind = "text", initial = "concat(up.path, '/', name)" }
place = { kind = "integer", numbered = "up" }
top = { kind = "reference", target = "T", initial = "coalesce(up.top, id)" }
who = { kind = "text", initial = "coalesce(up.who, name, 'x')" }
made = { kind = "datetime", initial = "now()" }
""",
    )

    assert values(room, "T", "path") == ["/a/b/c", "/a/b", "/a"]
    assert values(room, "T", "top") == [top] * 3
    assert values(room, "T", "place") == [1, 1, None]
    assert values(room, "T", "who") == ["a"] * 3
    # When the schema changed says nothing about them.
    assert values(room, "T", "made") == [None] * 3
    changes = room.history(HistoryRequest(type="T", id=low, attribute="path"))
    assert changes[0].after == "/a/b/c"
    assert list(room.check()) == []


def test_a_preview_tells_what_will_be_given(room: Room) -> None:
    apply(room, '[T.attributes]\nname = "text"')
    commit(room, Create("T", new_ids(2), {"name": ["a", None]}))

    def lines(text: str) -> list[tuple[int, str, str]]:
        operations = diff(room.schema("main"), load_text(text)).operations
        return [(each.rows, each.what, each.refusal) for each in room.preview("main", operations)]

    size = '[T.attributes]\nsize = { kind = "integer", initial = "length(name)" '
    assert lines(f"{size}}}") == [(0, "", ""), (1, "entity of T gets its size", "")]
    (_, (_, _, refusal)) = lines(f"{size}, required = true }}")
    assert "T.size" in refusal
    assert list(room.schema("main").attributes("T"))[-1] == "name"
    assert list(room.check()) == []


def test_projects_that_come_under_a_type_get_what_it_gives(room: Room) -> None:
    apply(room, '[Project.attributes]\nname = "text"')
    ids = new_ids(2)
    commit(room, Create("Project", ids, {"name": ["a", "b"]}))
    apply(room, SCHEMA)

    assert values(room, "Context", "project") == ids
    commit(room, Create("Task", [new_id()], {"name": ["s"], "parent": ids[:1]}))
    assert values(room, "Context", "project") == [*ids, ids[0]]
    assert list(room.check()) == []


def test_what_is_required_of_several_types_is_judged_when_all_have_it(room: Room) -> None:
    apply(room, '[T.attributes]\nname = "text"\n[U]\nextends = "T"')
    commit(room, Create("T", [new_id()], {"name": ["a"]}), Create("U", [new_id()], {"name": ["b"]}))
    apply(room, '[T.attributes]\nlabel = { kind = "text", required = true, initial = "name" }')

    assert values(room, "T", "label") == ["a", "b"]


def test_an_attribute_that_was_there_gives_nothing_to_what_is_there(room: Room) -> None:
    apply(room, '[T.attributes]\nname = "text"\nsize = "integer"')
    commit(room, Create("T", [new_id()], {"name": ["a"]}))
    apply(room, '[T.attributes]\nsize = { kind = "integer", initial = "length(name)" }')

    assert values(room, "T", "size") == [None]


def test_a_new_required_attribute_is_judged_when_it_was_given(room: Room) -> None:
    apply(room, '[T.attributes]\nname = "text"')
    commit(room, Create("T", new_ids(2), {"name": ["a", None]}))

    with pytest.raises(SchemaChangeRefused) as caught:
        apply(room, '[T.attributes]\nsize = { kind = "integer", required = true, initial = "length(name)" }')
    assert (caught.value.where, caught.value.count) == ("T.size", 1)
    with pytest.raises(SchemaChangeRefused):
        apply(room, '[T.attributes]\nmade = { kind = "datetime", required = true, initial = "now()" }')

    text = "coalesce(name, 'none')"
    apply(room, f'[T.attributes]\nlabel = {{ kind = "text", required = true, initial = "{text}" }}')
    assert values(room, "T", "label") == ["a", "none"]
