from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from recordroom.errors import (
    Conflict,
    InvalidReference,
    InvalidValue,
    NotFound,
    NotUnique,
    PastPruned,
    SchemaChangeRefused,
    UnknownDatabase,
)
from recordroom.model.ids import new_id, new_ids, show_id
from recordroom.model.operations import (
    ChangeAttribute,
    ChangeType,
    Commit,
    CommitResult,
    Create,
    DefineAttribute,
    DefineType,
    Delete,
    DropAttribute,
    DropKeys,
    DropType,
    Link,
    Publish,
    RenameAttribute,
    RenameType,
    SetKeys,
    Unlink,
    Update,
)
from recordroom.model.schema import Attribute, EntityType
from recordroom.query.request import DatabaseInfo
from recordroom.store.room import Room
from tests.store.desk import STUDIO, Desk, a, working


def revert(desk: Desk, revision: int | None = None, **facts: Any) -> CommitResult:
    return desk.room.revert(desk.revision if revision is None else revision, Commit(id=new_id(), **facts))


# --- entities ---


def test_a_create_is_reverted_by_deleting(desk: Desk) -> None:
    [keep] = desk.create("Tag", name=["keep"])
    ids = desk.create("Tag", name=["a", "b"])

    result = revert(desk, notes="oops")

    assert set(desk.rows("Tag", "name")) == {keep}
    assert desk.room.header(result.revision).notes == "oops"
    assert [each[1] for each in desk.told("Tag", ids[0])] == ["delete", "create"]


def test_an_update_is_reverted_by_setting_back(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"], bid=[1, None])
    desk.commit(Update("Task", [one, two], {"name": ["x", "y"], "bid": [5, 6]}))

    revert(desk)

    assert desk.rows("Task", "name", "bid") == {one: ("a", 1), two: ("b", None)}


def test_a_delete_is_reverted_with_id_number_and_everything(desk: Desk) -> None:
    p, q = desk.create("Project", name=["p", "q"])
    assets = desk.create("Asset", project=[p, p, q], name=["a", "b", "c"])
    one, two = desk.create("Task", name=["x", "y"], asset=[assets[2], assets[2]])
    shot = desk.create_one("Shot", name="s", project=p, frames=9)
    [red] = desk.create("Tag", name=["red"])
    desk.commit(
        Update("Task", [one, two], {"shot": [shot, shot]}),
        Link("Task", "tags", [one], [red], ["n"]),
        SetKeys("Task", "meta", [one], ["k"], ["v"]),
    )
    before = (desk.rows("Asset", "name", "project", "number"), desk.rows("Task", "name", "shot", "number"))
    desk.commit(Delete("Project", [p]), Delete("Task", [one]))
    assert len(desk.rows("Asset", "name")) == 1

    revert(desk)

    assert (desk.rows("Asset", "name", "project", "number"), desk.rows("Task", "name", "shot", "number")) == before
    assert desk.rows("Shot", "frames") == {shot: 9}
    assert desk.entries("Task", "tags") == {(one, red): "n"}
    assert desk.entries("Task", "meta") == {(one, "k"): "v"}
    [new] = desk.create("Task", name=["new"])
    assert desk.rows("Task", "number")[new] == 3


def test_numbers_that_are_not_in_a_row_come_back_too(desk: Desk) -> None:
    ids = desk.create("Tag", name=[f"t{n}" for n in range(10)])
    numbers = desk.rows("Tag", "number")
    desk.commit(Delete("Tag", [ids[7], ids[1], ids[2], ids[9]]))

    revert(desk)

    assert desk.rows("Tag", "number") == numbers


def test_links_and_keys_are_reverted(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"])
    red, blue = desk.create("Tag", name=["red", "blue"])
    desk.commit(Link("Task", "tags", [one], [red], ["n"]), SetKeys("Task", "meta", [one, one], ["k", "l"], ["v", "w"]))
    before = (desk.entries("Task", "tags"), desk.entries("Task", "meta"))
    desk.commit(
        Link("Task", "tags", [one, one], [red, blue], ["m", None]),
        SetKeys("Task", "meta", [one, two], ["k", "new"], ["x", "y"]),
        DropKeys("Task", "meta", [one], ["l"]),
    )

    revert(desk)
    assert (desk.entries("Task", "tags"), desk.entries("Task", "meta")) == before

    desk.commit(Unlink("Task", "tags", [one], [red]))
    revert(desk)
    assert (desk.entries("Task", "tags"), desk.entries("Task", "meta")) == before


def test_a_revert_is_reverted_like_any_commit(desk: Desk) -> None:
    one, two = desk.create("Tag", name=["a", "b"])
    desk.commit(Update("Tag", [one, two], {"name": ["b", "a"]}))
    swapped = desk.rows("Tag", "name")

    revert(desk)
    assert desk.rows("Tag", "name") == {one: "a", two: "b"}
    revert(desk)
    assert desk.rows("Tag", "name") == swapped


def test_events_are_not_reverted(desk: Desk) -> None:
    desk.commit(Publish("done"))
    before = desk.revision

    assert revert(desk).revision == before


def test_disjoint_changes_since_stay(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"], bid=[1])
    desk.commit(Update("Task", [task], {"name": ["b"]}))
    changed = desk.revision
    desk.commit(Update("Task", [task], {"bid": [2]}))

    revert(desk, changed)

    assert desk.rows("Task", "name", "bid") == {task: ("a", 2)}


def test_a_value_that_changed_again_since_clashes(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    desk.commit(Update("Task", [task], {"name": ["b"]}))
    changed = desk.revision
    desk.commit(Update("Task", [task], {"name": ["c"]}))

    with pytest.raises(Conflict) as caught:
        revert(desk, changed)

    [clash] = caught.value.clashes
    assert (clash.entity, clash.attribute, clash.base, clash.mine, clash.theirs) == (task, "name", "b", "a", "c")
    revert(desk, changed, on_conflict="mine")
    assert desk.rows("Task", "name") == {task: "a"}


def test_a_create_that_was_changed_since_clashes(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    created = desk.revision
    desk.commit(Update("Task", [task], {"name": ["b"]}))

    with pytest.raises(Conflict) as caught:
        revert(desk, created)

    [clash] = caught.value.clashes
    assert (clash.base, clash.mine, clash.theirs) == ("a", None, "b")


def test_a_key_or_note_that_changed_again_since_clashes(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    [red] = desk.create("Tag", name=["red"])
    desk.commit(SetKeys("Task", "meta", [task], ["k"], ["v"]), Link("Task", "tags", [task], [red], ["n"]))
    desk.commit(SetKeys("Task", "meta", [task], ["k"], ["w"]), Link("Task", "tags", [task], [red], ["m"]))
    changed = desk.revision
    desk.commit(SetKeys("Task", "meta", [task], ["k"], ["x"]), Link("Task", "tags", [task], [red], ["o"]))

    with pytest.raises(Conflict) as caught:
        revert(desk, changed)

    assert {(clash.attribute, clash.mine, clash.theirs) for clash in caught.value.clashes} == {
        ("meta[k]", "v", "x"),
        (f"tags[{show_id(red)}]", "n", "o"),
    }
    revert(desk, changed, on_conflict="mine")
    assert desk.entries("Task", "meta") == {(task, "k"): "v"}
    assert desk.entries("Task", "tags") == {(task, red): "n"}


def test_a_value_that_was_given_away_since_is_not_unique(desk: Desk) -> None:
    [tag] = desk.create("Tag", name=["a"])
    desk.commit(Update("Tag", [tag], {"name": ["b"]}))
    changed = desk.revision
    desk.create("Tag", name=["a"])

    with pytest.raises(NotUnique):
        revert(desk, changed)


def test_a_reference_to_what_is_gone_is_not_restored(desk: Desk) -> None:
    one, two = desk.create("Shot", name=["a", "b"])
    [task] = desk.create("Task", shot=[one])
    desk.commit(Update("Task", [task], {"shot": [two]}))
    changed = desk.revision
    desk.commit(Delete("Shot", [one]))

    with pytest.raises(InvalidReference):
        revert(desk, changed)


def test_what_is_gone_already_is_not_found(desk: Desk) -> None:
    one, two = desk.create("Tag", name=["a", "b"])
    created = desk.revision
    desk.commit(Delete("Tag", [one]))

    with pytest.raises(NotFound):
        revert(desk, created)

    revert(desk, created, on_error="continue")
    assert desk.rows("Tag", "name") == {}
    assert two


def test_a_repeated_revert_applies_once(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    desk.commit(Update("Task", [task], {"name": ["b"]}))
    changed = desk.revision
    once = Commit(id=new_id())

    first = desk.room.revert(changed, once)
    again = desk.room.revert(changed, once)

    assert (again.repeated, again.revision) == (True, first.revision)


def test_a_repeated_revert_of_relations_and_of_the_schema_applies_once(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    [red] = desk.create("Tag", name=["red"])
    desk.commit(Link("Task", "tags", [task], [red], ["n"]), SetKeys("Task", "meta", [task], ["k"], ["v"]))
    linked = desk.revision
    desk.commit(DefineType(EntityType(name="Fresh")))
    defined = desk.revision

    for revision in (linked, defined):
        once = Commit(id=new_id())
        first = desk.room.revert(revision, once)
        again = desk.room.revert(revision, once)

        assert (again.repeated, again.revision) == (True, first.revision)


def test_commits_that_are_not_there_cannot_be_reverted(desk: Desk) -> None:
    for revision in (desk.revision + 1, 0, -1):
        with pytest.raises(NotFound):
            revert(desk, revision)

    desk.wipe()
    with pytest.raises(PastPruned) as caught:
        revert(desk, desk.revision)
    assert caught.value.oldest == desk.revision + 1


def test_a_commit_of_another_database_is_reverted_there(desk: Desk) -> None:
    desk.room.create_database(DatabaseInfo(key="other"))
    try:
        desk.commit(*map(DefineType, STUDIO[:1]), database="other")
        desk.commit(Create("Tag", new_ids(1), {"name": ["a"]}), database="other")

        revert(desk)

        assert desk.sql('SELECT count(*) FROM "other.Tag"') == [(0,)]
    finally:
        desk.room.drop_database("other")


# --- schema ---

SMALL = (EntityType(name="Item", attributes=(a("name"), a("size", "integer"), a("meta", "mapping"))),)


@pytest.fixture
def own(room: Room) -> Iterator[Desk]:
    yield from working(room, SMALL)


def test_names_changed_since_are_followed(own: Desk) -> None:
    [item] = own.create("Item", name=["a"], size=[1])
    own.commit(Update("Item", [item], {"name": ["b"], "size": [2]}), SetKeys("Item", "meta", [item], ["k"], ["v"]))
    changed = own.revision
    own.commit(
        RenameAttribute("Item", "name", "title"),
        RenameType("Item", "Thing"),
        RenameAttribute("Thing", "meta", "facts"),
        DropAttribute("Thing", "size"),
    )

    revert(own, changed)

    assert own.rows("Thing", "title") == {item: "a"}
    assert own.entries("Thing", "facts") == {}


def test_values_of_a_kind_changed_since_are_converted(own: Desk) -> None:
    one, two = own.create("Item", size=[1, 2])
    own.commit(Update("Item", [one, two], {"size": [7, 8]}))
    changed = own.revision
    own.commit(ChangeAttribute("Item", a("size")))

    revert(own, changed)

    assert own.rows("Item", "size") == {one: "1", two: "2"}


def test_values_that_are_none_of_the_kind_it_has_now_are_refused(own: Desk) -> None:
    [item] = own.create("Item", name=["word"])
    own.commit(Update("Item", [item], {"name": ["5"]}))
    changed = own.revision
    own.commit(ChangeAttribute("Item", a("name", "integer")))

    with pytest.raises(InvalidValue):
        revert(own, changed)


def test_definitions_are_reverted(own: Desk) -> None:
    schema = own.room.schema("main")
    own.commit(
        DefineType(EntityType(name="Box", attributes=(a("label"),))),
        DefineAttribute("Item", a("weight", "number", default=1.5)),
        RenameAttribute("Item", "name", "title"),
        ChangeAttribute("Item", a("title", label="Title")),
        ChangeType(EntityType(name="Item", label="Thing")),
        RenameType("Item", "Piece"),
        Create("Piece", [new_id()], {"title": ["x"]}),
    )

    revert(own)

    assert dict(own.room.schema("main")) == dict(schema)
    assert own.rows("Item", "name") == {}


def test_definitions_with_values_made_since_are_kept(own: Desk) -> None:
    [item] = own.create("Item", name=["a"])
    own.commit(DefineType(EntityType(name="Box", attributes=(a("label"),))))
    box_type = own.revision
    own.commit(DefineAttribute("Item", a("note")))
    note = own.revision
    box = own.create_one("Box", label="b")
    own.commit(Update("Item", [item], {"note": ["n"]}))

    with pytest.raises(SchemaChangeRefused) as of_type:
        revert(own, box_type)
    with pytest.raises(SchemaChangeRefused) as of_attribute:
        revert(own, note)

    assert (of_type.value.where, of_type.value.count, of_type.value.entities) == ("Box", 1, [show_id(box)])
    assert (of_attribute.value.where, of_attribute.value.entities) == ("Item.note", [show_id(item)])


@pytest.mark.parametrize(
    ("attribute", "use"),
    [
        (a("near", "links", target="Item"), lambda item: Link("Item", "near", [item], [item])),
        (a("facts", "mapping"), lambda item: SetKeys("Item", "facts", [item], ["k"], ["v"])),
        (a("weight", "number", default=1.5), lambda item: Update("Item", [item], {"weight": [2.5]})),
        (a("price", "decimal", default="1.5"), lambda item: Update("Item", [item], {"price": ["2.5"]})),
        (a("fine", "boolean", default=False), lambda item: Update("Item", [item], {"fine": [True]})),
    ],
    ids=lambda each: each.kind if isinstance(each, Attribute) else "",
)
def test_an_attribute_goes_back_until_it_is_used(own: Desk, attribute: Attribute, use: Any) -> None:
    [item] = own.create("Item", name=["a"])
    own.commit(DefineAttribute("Item", attribute))
    defined = own.revision
    revert(own, defined)
    assert attribute.name not in own.room.schema("main").attributes("Item")

    own.commit(DefineAttribute("Item", attribute))
    defined = own.revision
    own.commit(use(item))

    with pytest.raises(SchemaChangeRefused) as caught:
        revert(own, defined)
    assert caught.value.entities == [show_id(item)]


def test_a_default_that_nobody_changed_is_no_value_to_lose(own: Desk) -> None:
    [item] = own.create("Item", name=["a"])
    own.commit(
        DefineAttribute("Item", a("weight", "number", default=1.5)), DefineAttribute("Item", a("n", computed="name"))
    )
    defined = own.revision
    own.commit(Update("Item", [item], {"name": ["b"]}))

    revert(own, defined)

    assert set(own.room.schema("main").attributes("Item")) & {"weight", "n"} == set()


def test_what_was_dropped_since_is_left_out(own: Desk) -> None:
    own.commit(DefineAttribute("Item", a("near", "links", target="Item", notes=True)))
    one, two = own.create("Item", name=["a", "b"], size=[1, 2])
    own.commit(Link("Item", "near", [one], [two], ["n"]), SetKeys("Item", "meta", [one], ["k"], ["v"]))
    own.commit(
        Update("Item", [one], {"size": [5]}),
        Unlink("Item", "near", [one], [two]),
        DropKeys("Item", "meta", [one], ["k"]),
        SetKeys("Item", "meta", [two], ["k"], ["v"]),
        Link("Item", "near", [two], [one]),
        Delete("Item", [two]),
    )
    changed = own.revision
    own.commit(DropAttribute("Item", "size"), DropAttribute("Item", "near"), DropAttribute("Item", "meta"))

    revert(own, changed)
    assert own.rows("Item", "name") == {one: "a", two: "b"}

    before = own.revision
    own.commit(DropType("Item"))
    assert revert(own, changed).revision == revert(own, before).revision == before + 1


def test_schema_operations_on_what_was_dropped_since_need_no_reverting(own: Desk) -> None:
    own.commit(
        DefineType(EntityType(name="Box", attributes=(a("label"),))),
        DefineAttribute("Box", a("width", "number")),
        RenameAttribute("Box", "label", "sticker"),
        ChangeAttribute("Box", a("sticker", label="Sticker")),
        ChangeType(EntityType(name="Box", label="Boxes")),
        RenameType("Box", "Crate"),
    )
    changed = own.revision
    own.commit(DropType("Crate"))

    assert revert(own, changed).revision == changed + 1


def test_a_commit_of_a_dropped_database_cannot_be_reverted(own: Desk) -> None:
    own.room.create_database(DatabaseInfo(key="other"))
    own.commit(*map(DefineType, SMALL), database="other")
    done = own.revision
    own.room.drop_database("other")

    with pytest.raises(UnknownDatabase):
        revert(own, done)
    own.room.create_database(DatabaseInfo(key="other"))
    with pytest.raises(NotFound):
        revert(own, done)


def test_what_was_dropped_cannot_come_back(own: Desk) -> None:
    own.commit(DropAttribute("Item", "size"))
    dropped = own.revision
    with pytest.raises(SchemaChangeRefused, match=r"Item\.size cannot be reverted: its values are gone"):
        revert(own, dropped)

    own.commit(DropType("Item"))
    with pytest.raises(SchemaChangeRefused, match="Item cannot be reverted"):
        revert(own)


def test_what_was_done_to_a_type_dropped_since_needs_no_reverting(own: Desk) -> None:
    own.create("Item", name=["a"])
    created = own.revision
    own.commit(DropType("Item"))

    assert revert(own, created).revision == created + 1
