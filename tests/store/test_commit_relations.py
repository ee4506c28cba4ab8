from __future__ import annotations

from recordroom.model.operations import Delete, DropKeys, Link, SetKeys, Unlink
from tests.store.desk import Desk


def test_links_are_added_from_either_side(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"])
    red, blue = desk.create("Tag", name=["red", "blue"])

    desk.commit(Link("Task", "tags", [one], [red], ["n"]))
    desk.commit(Link("Tag", "tasks", [red, blue], [two, one]))

    assert desk.entries("Task", "tags") == {(one, red): "n", (two, red): None, (one, blue): None}
    [_, entry] = desk.room.journal(after=desk.revision - 2)
    [link] = entry.operations
    assert (link.type, link.attribute, link.sources, link.targets) == ("Task", "tags", [two, one], [red, blue])


def test_a_link_that_is_there_gets_the_new_note(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    red, blue = desk.create("Tag", name=["red", "blue"])
    desk.commit(Link("Task", "tags", [task, task], [red, blue], ["old", "same"]))
    linked = desk.revision

    desk.commit(Link("Task", "tags", [task, task], [red, blue], ["new", "same"]))

    assert desk.entries("Task", "tags") == {(task, red): "new", (task, blue): "same"}
    [entry] = desk.room.journal(after=linked)
    assert entry.operations == [
        Link("Task", "tags", [task], [red], ["new"], before_notes=["old"], before_revision=[linked])
    ]


def test_a_link_without_notes_leaves_the_note_that_is_there(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    [red] = desk.create("Tag", name=["red"])
    desk.commit(Link("Task", "tags", [task], [red], ["old"]))
    linked = desk.revision

    result = desk.commit(Link("Task", "tags", [task], [red]))

    assert result.revision == linked
    assert desk.entries("Task", "tags") == {(task, red): "old"}


def test_the_last_of_several_notes_on_a_pair_counts(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    [red] = desk.create("Tag", name=["red"])

    desk.commit(Link("Task", "tags", [task, task], [red, red], ["first", "last"]))

    assert desk.entries("Task", "tags") == {(task, red): "last"}


def test_unlinking_leaves_alone_what_is_not_there(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"])
    [red] = desk.create("Tag", name=["red"])
    desk.commit(Link("Task", "tags", [one], [red], ["n"]))
    linked = desk.revision

    desk.commit(Unlink("Tag", "tasks", [red, red], [one, two]))
    again = desk.commit(Unlink("Task", "tags", [one], [red]))

    assert desk.entries("Task", "tags") == {}
    assert again.revision == linked + 1
    [entry] = desk.room.journal(after=linked)
    assert entry.operations == [Unlink("Task", "tags", [one], [red], before_notes=["n"], before_revision=[linked])]


def test_an_entity_may_be_linked_to_itself(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])

    desk.commit(Link("Task", "friends", [task], [task]))

    assert desk.entries("Task", "friends") == {(task, task): None}


def test_keys_are_set_changed_and_dropped(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"])
    desk.commit(SetKeys("Task", "meta", [one, one, two], ["k", "ключ", "k"], ["v", "w", "x"]))
    first = desk.revision

    desk.commit(SetKeys("Task", "meta", [one, one, two], ["k", "ключ", "new"], ["v", "w2", ""]))
    desk.commit(DropKeys("Task", "meta", [one, one], ["k", "unknown"]))

    assert desk.entries("Task", "meta") == {(one, "ключ"): "w2", (two, "k"): "x", (two, "new"): ""}
    [changed, dropped] = desk.room.journal(after=first)
    [operation] = changed.operations
    assert (operation.keys, operation.before, operation.before_revision) == (["new", "ключ"], [None, "w"], [0, first])
    [operation] = dropped.operations
    assert (operation.keys, operation.before, operation.before_revision) == (["k"], ["v"], [first])


def test_values_of_mappings_keep_their_kind(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])

    desk.commit(SetKeys("Task", "counts", [task, task], ["a", "b"], [2**63 - 1, -1]))

    assert desk.entries("Task", "counts") == {(task, "a"): 2**63 - 1, (task, "b"): -1}


def test_links_and_keys_cost_the_same_statements_however_many(desk: Desk) -> None:
    counts = []
    for size in (2, 300):
        tasks = desk.create("Task", name=["x"] * size)
        tags = desk.create("Tag", name=[f"{size}-{n}" for n in range(size)])
        start = desk.room.driver.statements

        desk.commit(
            Link("Task", "tags", tasks, tags, ["n"] * size),
            SetKeys("Task", "meta", tasks, ["k"] * size, ["v"] * size),
        )
        desk.commit(
            Link("Task", "tags", tasks, tags, ["m"] * size),
            SetKeys("Task", "meta", tasks, ["k"] * size, ["w"] * size),
        )
        desk.commit(Unlink("Task", "tags", tasks, tags), DropKeys("Task", "meta", tasks, ["k"] * size))

        counts.append(desk.room.driver.statements - start)
    assert counts[0] == counts[1]


def test_replaced_links_and_keys_are_kept_with_the_revisions_they_were_good_for(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    [red] = desk.create("Tag", name=["red"])
    base = desk.revision
    desk.commit(Link("Task", "tags", [task], [red], ["n1"]), SetKeys("Task", "meta", [task], ["k"], ["v1"]))
    desk.commit(Link("Task", "tags", [task], [red], ["n2"]), SetKeys("Task", "meta", [task], ["k"], ["v2"]))
    desk.commit(Delete("Task", [task]))
    desk.catch_up()

    links = desk.sql('SELECT note, revision, until FROM "main.Task.tags~past" ORDER BY until')
    keys = desk.sql('SELECT value, revision, until FROM "main.Task.meta~past" ORDER BY until')

    assert links == [("n1", base + 1, base + 2), ("n2", base + 2, base + 3)]
    assert keys == [("v1", base + 1, base + 2), ("v2", base + 2, base + 3)]
