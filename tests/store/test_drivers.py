"""What every driver does alike. What only one has is in test_driver_sqlite and test_driver_postgres."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from recordroom.errors import RoomReadOnly
from recordroom.model.ids import new_ids
from recordroom.model.kinds import Storage
from recordroom.store.plans import (
    DeleteKeys,
    Driver,
    Fetch,
    FetchKeys,
    InsertColumns,
    Plan,
    Run,
    Statement,
    UpdateColumns,
    Violation,
)
from recordroom.store.room import Room
from recordroom.store.sqltext import marked
from tests.conftest import Places
from tests.store.driving import OnLoop

COLUMNS = {
    "id": Storage.BYTES,
    "a.text": Storage.TEXT,
    "number": Storage.INTEGER,
    "real": Storage.REAL,
    "flag": Storage.BOOLEAN,
    "price": Storage.DECIMAL,
    "data": Storage.JSON,
}
STORAGE = tuple(COLUMNS.values())
NAMES = tuple(COLUMNS)
TYPES = {
    "sqlite": ("BLOB", "TEXT", "INTEGER", "REAL", "INTEGER", "TEXT", "TEXT"),
    "postgresql": ("BYTEA", 'TEXT COLLATE "C"', "BIGINT", "DOUBLE PRECISION", "BOOLEAN", "NUMERIC", "TEXT"),
}
IDS = new_ids(4)
ROWS: list[tuple[Any, ...]] = [
    (IDS[0], "plain", 1, 0.5, True, "12.5", "{}"),
    (IDS[1], "ünï \\ \t\n 'x' \"y\" 😀", -(2**63), -1.5e300, False, "-" + "9" * 35 + "." + "9" * 30, '["a"]'),
    (IDS[2], "", 2**63 - 1, 5e-324, None, "0", "null"),
    (IDS[3], None, None, None, None, None, None),
]


def columns_of(rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(NAMES)}


def one(statement: Statement) -> Plan[Any]:
    return (yield statement)


def each(*statements: Statement) -> Plan[list[Any]]:
    results: list[Any] = []
    for statement in statements:
        results += [(yield statement)]
    return results


INSERT = InsertColumns("main.Thing", columns_of(ROWS), STORAGE)
ALL = Fetch('SELECT * FROM "main.Thing" ORDER BY id', (), STORAGE)


@pytest.fixture(params=["threads", "loop"])
def driver(room: Room, places: Places, request: pytest.FixtureRequest) -> Iterator[Driver]:
    """A driver with one empty table of every storage class; a test that uses it runs in a thread and on a loop."""
    types = TYPES[room.driver.dialect]
    columns = ", ".join(f'"{name}" {text}' for name, text in zip(NAMES, types, strict=True))
    strict = " STRICT" if room.driver.dialect == "sqlite" else ""
    room.driver.write(
        each(
            Run(f'CREATE TABLE "main.Thing" ({columns}, PRIMARY KEY (id)){strict}'),
            Run('CREATE UNIQUE INDEX "main.Thing~number" ON "main.Thing" (number)'),
        )
    )
    if request.param == "threads":
        yield room.driver
    else:
        on_loop = OnLoop(room.driver, places())
        yield cast(Driver, on_loop)
        on_loop.finish()
    room.driver.write(one(Run('DROP TABLE "main.Thing"')))


def rows(driver: Driver) -> list[Any]:
    return driver.run(one(ALL))


def test_every_storage_class_comes_back_as_it_went(driver: Driver) -> None:
    driver.write(one(INSERT))

    found = rows(driver)
    assert found == ROWS
    assert [list(map(type, row)) for row in found] == [list(map(type, row)) for row in ROWS]


def test_columns_may_be_other_sequences_than_lists(driver: Driver) -> None:
    columns = {"id": tuple(IDS), "number": range(4)}

    driver.write(one(InsertColumns("main.Thing", columns, (Storage.BYTES, Storage.INTEGER))))
    assert [row[2] for row in rows(driver)] == [0, 1, 2, 3]


def test_no_rows_are_no_trouble(driver: Driver) -> None:
    empty: dict[str, list[Any]] = {name: [] for name in NAMES}
    keys, columns = {"id": []}, {"number": []}
    storage = (Storage.BYTES, Storage.INTEGER)

    results = driver.write(
        each(
            InsertColumns("main.Thing", empty, STORAGE),
            UpdateColumns("main.Thing", keys, columns, storage),
            DeleteKeys("main.Thing", keys, storage[:1]),
            FetchKeys("main.Thing", "id", [], NAMES, (Storage.BYTES, *STORAGE)),
        )
    )
    assert results == [None, None, None, []]


def test_an_update_sets_each_row_to_its_own_values(driver: Driver) -> None:
    columns = {"price": ["1.5", None], "flag": [False, None], "a.text": ["x", None], "number": [7, None]}
    storage = (Storage.BYTES, Storage.DECIMAL, Storage.BOOLEAN, Storage.TEXT, Storage.INTEGER)

    driver.write(each(INSERT, UpdateColumns("main.Thing", {"id": [IDS[3], IDS[0]]}, columns, storage)))

    found = rows(driver)
    assert found[3] == (IDS[3], "x", 7, None, False, "1.5", None)
    assert found[0] == (IDS[0], None, None, 0.5, None, None, "{}")
    assert found[1:3] == ROWS[1:3]


def test_rows_are_updated_and_deleted_by_several_keys(driver: Driver) -> None:
    keys = {"id": [IDS[0], IDS[1]], "number": [1, 1]}
    storage = (Storage.BYTES, Storage.INTEGER)
    update = UpdateColumns("main.Thing", keys, {"real": [9.0, 9.0]}, (*storage, Storage.REAL))

    driver.write(each(INSERT, update))
    assert [row[3] for row in rows(driver)] == [9.0, *(row[3] for row in ROWS[1:])]

    driver.write(one(DeleteKeys("main.Thing", keys, storage)))
    assert rows(driver) == ROWS[1:]


@pytest.mark.parametrize(
    ("key", "values", "wanted"),
    [
        ("id", [IDS[0], IDS[2], b"0" * 16], [0, 2]),
        ("id", [IDS[1]], [1]),
        ("id", [IDS[1], IDS[1], None], [1]),
        ("number", [1, -(2**63), 5], [0, 1]),
        ("a.text", ["plain", ROWS[1][1], "", "none"], [0, 1, 2]),
        ("real", [0.5, 5e-324], [0, 2]),
        ("price", ["12.5", "0", "1"], [0, 2]),
        ("flag", [True, False], [0, 1]),
        ("id", [None], []),
    ],
)
def test_rows_are_fetched_by_the_values_of_one_column(
    driver: Driver, key: str, values: list[Any], wanted: list[int]
) -> None:
    driver.write(one(INSERT))

    found = driver.run(one(FetchKeys("main.Thing", key, values, NAMES, (COLUMNS[key], *STORAGE))))
    assert sorted(found, key=lambda row: row[0]) == [ROWS[place] for place in wanted]


def test_many_keys_are_asked_once(driver: Driver) -> None:
    ids = new_ids(30_000)
    columns = {"id": ids, "number": range(30_000)}
    driver.write(one(InsertColumns("main.Thing", columns, (Storage.BYTES, Storage.INTEGER))))
    before = driver.statements

    storage = (Storage.BYTES, Storage.INTEGER)
    found = driver.run(one(FetchKeys("main.Thing", "id", ids[::-1], ("number",), storage)))

    assert sorted(found) == [(number,) for number in range(30_000)]
    assert driver.statements == before + 1


def test_a_list_is_one_parameter(driver: Driver) -> None:
    driver.write(one(INSERT))
    numbers = {
        "sqlite": 'SELECT count(*) FROM "main.Thing" WHERE number IN (SELECT value FROM json_each(?))',
        "postgresql": 'SELECT count(*) FROM "main.Thing" WHERE number = ANY(%s::bigint[])',
    }
    texts = {
        "sqlite": 'SELECT count(*) FROM "main.Thing" WHERE "a.text" IN (SELECT value FROM json_each(?))',
        "postgresql": 'SELECT count(*) FROM "main.Thing" WHERE "a.text" = ANY(%s::text[])',
    }
    ids = {
        "sqlite": 'SELECT count(*) FROM "main.Thing" WHERE id IN (SELECT unhex(value) FROM json_each(?))',
        "postgresql": 'SELECT count(*) FROM "main.Thing" WHERE id = ANY(%s::bytea[])',
    }
    dialect = driver.dialect

    assert driver.run(one(Fetch(numbers[dialect], ([1, 2**63 - 1, 3],)))) == [(2,)]
    assert driver.run(one(Fetch(texts[dialect], (["plain", ROWS[1][1]],)))) == [(2,)]
    assert driver.run(one(Fetch(ids[dialect], (IDS[:3],)))) == [(3,)]
    assert driver.run(one(Fetch(ids[dialect], ([],)))) == [(0,)]


def test_run_tells_how_many_rows_it_changed(driver: Driver) -> None:
    change = Run(marked(driver.dialect, 'UPDATE "main.Thing" SET real = ? WHERE number > ?'), (1.0, 0))

    assert driver.write(each(INSERT, change))[1] == 2


def test_a_plan_that_raises_changes_nothing(driver: Driver) -> None:
    def plan() -> Plan[None]:
        yield INSERT
        raise LookupError("changed my mind")

    with pytest.raises(LookupError):
        driver.write(plan())
    assert rows(driver) == []


def test_a_broken_statement_leaves_the_driver_usable(driver: Driver) -> None:
    with pytest.raises(Exception, match="nowhere"):
        driver.write(each(INSERT, Run("DELETE FROM nowhere")))
    with pytest.raises(Exception, match="nowhere"):
        driver.run(one(Fetch("SELECT * FROM nowhere")))

    assert rows(driver) == []
    driver.write(one(INSERT))
    assert rows(driver) == ROWS


def test_a_violation_is_thrown_into_the_plan_and_can_be_undone(driver: Driver) -> None:
    twice = InsertColumns("main.Thing", {"id": new_ids(2), "number": [100, 1]}, (Storage.BYTES, Storage.INTEGER))
    seen: list[Violation] = []

    def plan() -> Plan[str]:
        yield INSERT
        yield Run("SAVEPOINT a")
        try:
            yield twice
        except Violation as violation:
            seen.append(violation)
            yield Run("ROLLBACK TO SAVEPOINT a")
            return "went on"
        return "nothing happened"

    assert driver.write(plan()) == "went on"
    [violation] = seen
    assert violation.kind == "unique"
    assert violation.table == "main.Thing"
    assert violation.columns == ("number",) or violation.constraint == "main.Thing~number"
    assert rows(driver) == ROWS


def test_a_violation_that_leaves_the_plan_undoes_everything(driver: Driver) -> None:
    with pytest.raises(Violation) as caught:
        driver.write(each(INSERT, INSERT))

    assert caught.value.kind == "unique"
    assert rows(driver) == []


def test_a_foreign_key_is_judged_at_the_end(driver: Driver) -> None:
    strict = " STRICT" if driver.dialect == "sqlite" else ""
    types = TYPES[driver.dialect]
    text = f'CREATE TABLE child (thing {types[0]} REFERENCES "main.Thing" (id) DEFERRABLE INITIALLY DEFERRED){strict}'
    child = InsertColumns("child", {"thing": IDS[:1]}, (Storage.BYTES,))
    driver.write(one(Run(text)))
    try:
        with pytest.raises(Violation) as caught:
            driver.write(one(child))
        assert caught.value.kind == "foreign_key"

        driver.write(each(child, INSERT))
        assert driver.run(one(Fetch("SELECT thing FROM child"))) == [(IDS[0],)]
    finally:
        driver.write(one(Run("DROP TABLE child")))


def test_a_reading_plan_sees_one_snapshot(driver: Driver) -> None:
    count = Fetch('SELECT count(*) FROM "main.Thing"')

    def plan() -> Plan[tuple[Any, Any]]:
        first = yield count
        driver.write(one(INSERT))
        return first, (yield count)

    assert driver.run(plan()) == ([(0,)], [(0,)])
    assert driver.run(one(count)) == [(4,)]


def test_a_reader_does_not_wait_for_a_writer(driver: Driver) -> None:
    def plan() -> Plan[list[Any]]:
        yield INSERT
        return rows(driver)

    assert driver.write(plan()) == []


def test_writers_in_threads_take_turns(driver: Driver) -> None:
    driver.write(
        one(
            Run(
                "CREATE TABLE counter (n BIGINT)"
                if driver.dialect == "postgresql"
                else "CREATE TABLE counter (n INTEGER) STRICT"
            )
        )
    )
    driver.write(one(Run("INSERT INTO counter VALUES (0)")))

    def plan() -> Plan[None]:
        [(found,)] = yield Fetch("SELECT n FROM counter")
        yield Run(marked(driver.dialect, "UPDATE counter SET n = ?"), (found + 1,))

    def count() -> None:
        for _ in range(20):
            driver.write(plan())

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert driver.run(one(Fetch("SELECT n FROM counter"))) == [(80,)]
    driver.write(one(Run("DROP TABLE counter")))


def streamed(fetch: Fetch) -> Plan[tuple[Fetch, Any]]:
    return fetch, list
    yield fetch


def test_a_stream_brings_converted_rows_in_chunks(driver: Driver) -> None:
    driver.write(one(INSERT))

    chunks = list(driver.stream(streamed(ALL), 3))
    assert chunks == [ROWS[:3], ROWS[3:]]


def test_a_stream_is_one_snapshot_and_may_be_left(driver: Driver) -> None:
    columns = {"id": new_ids(1000), "number": range(10, 1010)}
    driver.write(one(InsertColumns("main.Thing", columns, (Storage.BYTES, Storage.INTEGER))))
    fetch = Fetch('SELECT number FROM "main.Thing" ORDER BY number')

    stream = driver.stream(streamed(fetch), 100)
    first = next(stream)
    driver.write(one(Run('DELETE FROM "main.Thing"')))
    second = next(stream)
    stream.close()

    assert [first[0], second[-1]] == [(10,), (209,)]
    assert rows(driver) == []


def test_a_stream_whose_plan_raises_raises(driver: Driver) -> None:
    def plan() -> Plan[tuple[Fetch, Any]]:
        yield Fetch("SELECT 1")
        raise LookupError("nothing to stream")

    with pytest.raises(LookupError):
        list(driver.stream(plan(), 10))
    assert rows(driver) == []


def test_statements_are_counted(driver: Driver) -> None:
    before = driver.statements
    driver.write(each(INSERT, ALL))
    driver.run(one(ALL))

    assert driver.statements == before + 3


def test_a_driver_for_reading_refuses_to_write(places: Places) -> None:
    with Room.open(places()) as writer, Room.open(places(), mode="read") as reader:
        assert writer.driver is not reader.driver
        with pytest.raises(RoomReadOnly):
            reader.driver.write(one(Run("UPDATE rr_room SET revision = 7")))
        with pytest.raises(RoomReadOnly):
            reader.driver.run(one(Run("UPDATE rr_room SET revision = 7")))

        assert writer.driver.run(one(Fetch("SELECT revision FROM rr_room"))) == [(0,)]


def test_compacting_leaves_everything_in_place(driver: Driver) -> None:
    driver.write(one(INSERT))
    driver.compact()

    assert rows(driver) == ROWS


def test_the_version_names_the_database(driver: Driver) -> None:
    assert driver.version().split()[0] == {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[driver.dialect]
