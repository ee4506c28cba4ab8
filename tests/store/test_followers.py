from __future__ import annotations

from typing import Any

import pytest

from recordroom.model.ids import new_ids
from recordroom.model.operations import Create, DefineType, Delete, Update
from recordroom.query.request import DatabaseInfo
from recordroom.store import followers, journal
from recordroom.store.catalog import load_catalogs
from recordroom.store.followers import behind, catch_up
from recordroom.store.plans import Plan
from tests.store.desk import STUDIO, Desk


def positions(desk: Desk) -> dict[str, int]:
    return dict(desk.sql("SELECT name, revision FROM rr_follower WHERE name LIKE '%:main'"))


def run(desk: Desk, plan: Any, *arguments: Any) -> Any:
    def whole() -> Plan[Any]:
        catalogs = yield from load_catalogs(desk.room.driver.dialect, None)
        return (yield from plan(catalogs.by_key, *arguments))

    return desk.room.driver.write(whole())


def test_replaced_rows_are_written_with_the_revisions_they_were_good_for(desk: Desk) -> None:
    one, two = desk.create("Task", name=["a", "b"], bid=[1, 2])
    base = desk.revision
    desk.commit(Update("Task", [one, two], {"bid": [3, 4]}))
    desk.commit(Update("Task", [one], {"name": ["a2"]}))
    desk.commit(Delete("Task", [one]))

    assert desk.past("Task", "name", "bid", "status", "number") == [
        (one, "a", 1, "open", 1, base, base + 1),
        (two, "b", 2, "open", 2, base, base + 1),
        (one, "a", 3, "open", 1, base + 1, base + 2),
        (one, "a2", 3, "open", 1, base + 2, base + 3),
    ]


def test_it_does_not_matter_when_followers_catch_up(desk: Desk) -> None:
    found = []
    for often in (False, True):
        ids = desk.create("Shot", name=["a", "b", "c"], frames=[1, 2, 3])
        base = desk.revision
        for number in range(6):
            desk.commit(Update("Asset", ids[number % 2 :], {"name": [f"n{number}"] * (3 - number % 2)}))
            if often:
                desk.catch_up()
        desk.commit(Delete("Asset", ids[:1]))
        desk.commit(Create("Prop", ids[:1], {"name": ["back"]}))
        desk.commit(Update("Prop", ids[:1], {"material": ["oak"]}))
        names = {entity: place for place, entity in enumerate(ids)}
        rows = desk.past("Asset", "name", "entity_type")
        found.append([(names[row[0]], *row[1:-2], row[-2] - base, row[-1] - base) for row in rows if row[0] in names])

    assert found[0] == found[1]
    assert len(found[0]) == 6 * 3 - 3 + 1 + 1


def test_an_updated_row_keeps_what_the_update_did_not_touch(desk: Desk) -> None:
    prop, shot = desk.create_one("Prop", name="p", material="oak"), desk.create_one("Shot", name="s", frames=1)

    desk.commit(Update("Asset", [prop, shot], {"name": ["p2", "s2"]}))

    assert {row[:4] for row in desk.past("Asset", "name", "entity_type", "number")} == {
        (prop, "p", "Prop", 1),
        (shot, "s", "Shot", 2),
    }
    assert {row[:2] for row in desk.past("Prop", "material")} == {(prop, "oak")}


def test_a_cheap_look_tells_whether_a_follower_is_behind(desk: Desk) -> None:
    desk.catch_up()
    assert run(desk, behind) is False

    desk.create("Task", name=["a"])
    assert run(desk, behind) is True
    assert run(desk, behind, ("search",)) is True

    run(desk, catch_up, ("history",))
    assert run(desk, behind, ("history",)) is False
    assert run(desk, behind, ("search",)) is True


def test_the_search_follower_reads_in_batches(desk: Desk) -> None:
    for number in range(10):
        desk.create("Tag", name=[f"word{number} x{n}" for n in range(10)])

    assert run(desk, catch_up, ("search",), 25) is True
    assert desk.sql("SELECT count(*) FROM rr_search")[0][0] == 30
    while run(desk, catch_up, ("search",), 25):
        pass

    assert desk.sql("SELECT count(*) FROM rr_search")[0][0] == 100
    assert positions(desk)["search:main"] == desk.revision


def test_the_lag_of_history_is_bounded_in_commits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "_MOST_COMMITS", 5)
    desk.catch_up()
    [task] = desk.create("Task", name=["a"])

    for number in range(20):
        desk.commit(Update("Task", [task], {"bid": [number]}))
        assert desk.revision - positions(desk)["history:main"] <= 7


def test_the_lag_of_history_is_bounded_in_bytes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "_MOST_BYTES", 50_000)
    [task] = desk.create("Task", name=["a"])

    for number in range(40):
        desk.commit(Update("Task", [task], {"text": [str(number) * 5_000]}))
        assert desk.revision - positions(desk)["history:main"] <= 32


def test_the_lag_of_search_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "_MOST_COMMITS_UNSEARCHED", 3)
    desk.catch_up()

    for _ in range(10):
        desk.create("Task", name=["a"])
        assert desk.revision - positions(desk)["search:main"] <= 5


@pytest.mark.parametrize("small", [10, 10**9])
def test_long_lags_are_read_a_few_commits_at_a_time(desk: Desk, monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    monkeypatch.setattr(journal, "FIRST_READ", 2)
    monkeypatch.setattr(journal, "_SMALL", small)
    [task] = desk.create("Task", bid=[-1])
    for number in range(7):
        desk.commit(Update("Task", [task], {"bid": [number]}))

    assert [row[1] for row in desk.past("Task", "bid")] == [-1, 0, 1, 2, 3, 4, 5]


def test_databases_are_followed_each_by_itself(desk: Desk) -> None:
    room = desk.room
    room.create_database(DatabaseInfo(key="other"))
    try:
        desk.commit(*map(DefineType, STUDIO), database="other")
        [mine] = desk.create("Tag", name=["mine"])
        theirs = new_ids(1)
        desk.commit(Create("Tag", theirs, {"name": ["theirs"]}), database="other")
        desk.commit(Update("Tag", theirs, {"name": ["changed"]}), database="other")
        desk.commit(Update("Tag", [mine], {"name": ["changed too"]}))

        assert [row[:2] for row in desk.past("Tag", "name")] == [(mine, "mine")]
        assert [bytes(row[0]) for row in desk.sql('SELECT id FROM "other.Tag~past"')] == theirs
        assert desk.report().problems == []
    finally:
        room.drop_database("other")


def test_a_database_of_a_dropped_ones_key_begins_anew(desk: Desk) -> None:
    room = desk.room
    for _ in range(2):
        room.create_database(DatabaseInfo(key="again"))
        desk.commit(*map(DefineType, STUDIO[:1]), database="again")
        [tag] = new_ids(1)
        desk.commit(Create("Tag", [tag], {"name": ["a word"]}), database="again")
        desk.commit(Update("Tag", [tag], {"name": ["another"]}), database="again")

        assert desk.report().problems == []
        assert desk.sql('SELECT count(*) FROM "again.Tag~past"')[0][0] == 1
        room.drop_database("again")

    assert desk.report().problems == []
    assert desk.sql("SELECT count(*) FROM rr_search")[0][0] == 0


def test_many_small_commits_are_indexed_together(desk: Desk) -> None:
    for number in range(60):
        desk.create("Tag", name=[f"word{number}"])
    start = desk.room.driver.statements

    run(desk, catch_up, ("search",))

    assert desk.room.driver.statements - start < 15
    assert desk.sql("SELECT count(*) FROM rr_search") == [(60,)]
