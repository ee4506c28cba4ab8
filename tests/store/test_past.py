from __future__ import annotations

from typing import Any

import pytest

from recordroom.errors import Conflict, NotFound, PastPruned
from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, Create, Delete, Link, Unlink, Update
from recordroom.store import past
from recordroom.store.catalog import load_catalogs
from recordroom.store.past import check_readable, prune_plan, retention_plan
from recordroom.store.plans import Plan
from tests.store.desk import Desk


def write(desk: Desk, make: Any) -> Any:
    def whole() -> Plan[Any]:
        catalogs = yield from load_catalogs(desk.room.driver.dialect, None)
        return (yield from make(catalogs.by_key))

    return desk.room.driver.write(whole())


def prune(desk: Desk, upto: int) -> None:
    while write(desk, lambda catalogs: prune_plan(catalogs, desk.room.driver.dialect, upto)):
        pass


def test_pruning_keeps_the_state_at_its_revision_and_everything_after(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"])
    for name in ("a1", "a2", "a3"):
        desk.commit(Update("Task", [one], {"name": [name]}))
    kept = desk.revision - 1
    desk.commit(Delete("Task", [two]))

    prune(desk, kept)

    rows = desk.past("Task", "name")
    assert rows == [(one, "a2", kept, kept + 1), (two, "b", kept - 2, kept + 2)]
    assert [entry.header.revision for entry in desk.room.journal(after=kept)] == [kept + 1, kept + 2]
    assert desk.sql("SELECT pruned FROM rr_room") == [(kept,)]


def test_what_was_pruned_cannot_be_read(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    created = desk.revision
    desk.commit(Update("Task", [task], {"name": ["b"]}))
    now = desk.revision

    prune(desk, now)

    for ask in (lambda: desk.room.journal(after=created), lambda: desk.room.revert(now, Commit(id=new_id()))):
        with pytest.raises(PastPruned) as caught:
            ask()
        assert caught.value.oldest == now + 1
    with pytest.raises(PastPruned) as caught:
        desk.room.driver.run(check_readable(created))
    assert (caught.value.revision, caught.value.oldest) == (created, now)
    desk.room.driver.run(check_readable(now))
    assert desk.room.journal(after=now) == []


def test_headers_stay_as_long_as_something_names_them(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    created = desk.revision
    [tag] = desk.create("Tag", name=["red"])
    desk.commit(Link("Task", "tags", [task], [tag]))
    linked = desk.revision
    desk.commit(Update("Task", [task], {"name": ["b"]}))
    between = desk.revision
    desk.commit(Update("Task", [task], {"name": ["c"]}))
    now = desk.revision

    prune(desk, now)

    assert desk.room.header(created).revision == created
    assert desk.room.header(linked).revision == linked
    assert desk.room.header(now).revision == now
    with pytest.raises(NotFound):
        desk.room.header(between)


def test_history_says_that_its_beginning_was_pruned(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    created = desk.revision
    desk.act_as("ann")
    desk.commit(Update("Task", [task], {"name": ["b"]}))
    desk.commit(Update("Task", [task], {"name": ["c"]}))
    prune(desk, desk.revision - 1)

    newest, oldest = desk.history("Task", task)

    assert (newest.before, newest.after, newest.partial) == ("b", "c", False)
    assert (oldest.verb, oldest.attribute, oldest.partial, oldest.revision, oldest.actor) == (
        "create",
        "",
        True,
        created,
        "owner",
    )


def test_an_entity_whose_past_was_pruned_wholly_is_not_found(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    desk.commit(Delete("Task", [task]))

    prune(desk, desk.revision)

    with pytest.raises(NotFound):
        desk.history("Task", task)


def test_an_edit_based_on_what_was_pruned_clashes_wherever_values_differ(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"], bid=[1])
    base = desk.revision
    desk.commit(Update("Task", [task], {"name": ["b"]}))
    prune(desk, desk.revision)

    with pytest.raises(Conflict) as caught:
        desk.commit(Update("Task", [task], {"bid": [5]}, base=[base]))

    [clash] = caught.value.clashes
    assert (clash.attribute, clash.base, clash.mine, clash.theirs) == ("bid", None, 5, 1)
    desk.commit(Update("Task", [task], {"bid": [1], "name": ["b"], "rate": [None]}, base=[base] * 1))


def test_pruning_goes_in_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "_STEP", 3)
    [task] = desk.create("Task", bid=[0])
    first = desk.revision
    for number in range(1, 10):
        desk.commit(Update("Task", [task], {"bid": [number]}))
    write(desk, lambda catalogs: prune_plan(catalogs, desk.room.driver.dialect, first))

    more = write(desk, lambda catalogs: prune_plan(catalogs, desk.room.driver.dialect, first + 5))

    assert more is True
    assert desk.sql("SELECT pruned FROM rr_room") == [(first + 3,)]
    assert desk.report().problems == []
    assert write(desk, lambda catalogs: prune_plan(catalogs, desk.room.driver.dialect, first + 5)) is False
    assert desk.sql("SELECT pruned FROM rr_room") == [(first + 5,)]
    assert len(desk.past("Task", "bid")) == 4


def test_pruning_what_is_pruned_or_to_come_is_harmless(desk: Desk) -> None:
    desk.create("Task", name=["a"])
    prune(desk, desk.revision + 100)
    pruned = desk.revision

    prune(desk, pruned - 1)

    assert desk.sql("SELECT pruned FROM rr_room") == [(pruned,)]
    assert len(desk.create("Task", name=["b"])) == 1


def test_retention_prunes_by_age(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    day = 24 * 3600 * 10**6
    start = desk.commit(Create("Tag", [new_id()], {"name": ["now"]})).time
    monkeypatch.setattr("recordroom.store.access.time.time_ns", lambda: (start + 5 * day) * 1000)
    desk.create("Tag", name=["in five days"])
    young = desk.revision

    def keep(days: int, now: int) -> None:
        write(desk, lambda catalogs: retention_plan(catalogs, desk.room.driver.dialect, days, now))

    keep(30, start + 6 * day)
    assert desk.sql("SELECT pruned FROM rr_room")[0][0] < young - 1
    keep(3, start + 6 * day)
    assert desk.sql("SELECT pruned FROM rr_room") == [(young - 1,)]


def test_replaced_links_are_pruned(desk: Desk) -> None:
    [task] = desk.create("Task", name=["a"])
    red, blue = desk.create("Tag", name=["red", "blue"])
    desk.commit(Link("Task", "tags", [task, task], [red, blue]))
    desk.commit(Unlink("Task", "tags", [task], [red]))
    kept = desk.revision
    desk.commit(Unlink("Task", "tags", [task], [blue]))

    prune(desk, kept)

    assert [bytes(row[0]) for row in desk.sql('SELECT target FROM "main.Task.tags~past"')] == [blue]
