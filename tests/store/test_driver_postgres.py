from __future__ import annotations

import os
import random
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from recordroom.errors import (
    Error,
    InvalidValue,
    NotARoom,
    PermissionDenied,
    QueryTooComplex,
    RoomDamaged,
    RoomNotFound,
    RoomReadOnly,
    StorageFull,
    StoreUnavailable,
)
from recordroom.model.kinds import Storage
from recordroom.store.drivers.postgres import PostgresDriver
from recordroom.store.drivers.postgres_address import parse_address
from recordroom.store.drivers.postgres_pool import Link
from recordroom.store.plans import (
    DeleteKeys,
    Fetch,
    FetchKeys,
    InsertColumns,
    Plan,
    Row,
    Run,
    Statement,
    UpdateColumns,
    Violation,
)
from recordroom.store.room import Room

TEXT, INTEGER, REAL, BOOLEAN, BYTES, DECIMAL, JSON = (
    Storage.TEXT,
    Storage.INTEGER,
    Storage.REAL,
    Storage.BOOLEAN,
    Storage.BYTES,
    Storage.DECIMAL,
    Storage.JSON,
)
VALUES: dict[Storage, list[Any]] = {
    TEXT: ["", "plain", 'a\tb\nc\\d"e{},', "NULL", "naïve 日本 🎬", "x" * 100_000, None],
    INTEGER: [0, 1, -1, 30_000, 2**31, 2**63 - 1, -(2**63), None],
    REAL: [0.0, -0.0, 1.5, 0.1, 5e-324, 1.7976931348623157e308, None],
    BOOLEAN: [True, False, None],
    BYTES: [bytes(16), bytes(range(16)), b"", b"\\x00", b"\xff" * 40, None],
    DECIMAL: ["0", "-12.5", "100", "0.000000000000000000000000000001", "9" * 35 + "." + "9" * 30, None],
    JSON: ['{"a":[1,null]}', "[]", '"%s"', None],
}
COLUMN_TYPES = {
    TEXT: 'text COLLATE "C"',
    INTEGER: "bigint",
    REAL: "double precision",
    BOOLEAN: "boolean",
    BYTES: "bytea",
    DECIMAL: "numeric",
    JSON: 'text COLLATE "C"',
}


def only(statement: Statement) -> Plan[Any]:
    return (yield statement)


def each(*statements: Statement) -> Plan[list[Any]]:
    results = []
    for statement in statements:
        results.append((yield statement))  # noqa: PERF401 - a comprehension cannot yield
    return results


def make() -> Plan[None]:
    yield Run("CREATE TABLE rr_room (schema_revision bigint)")
    yield Run("INSERT INTO rr_room VALUES (1)")
    columns = ", ".join(f"{storage} {name}" for storage, name in COLUMN_TYPES.items())
    yield Run(f"CREATE TABLE kinds (key bigint PRIMARY KEY, {columns})")
    yield Run("CREATE TABLE item (id bigint PRIMARY KEY, name text, size bigint, UNIQUE (name, size))")
    yield Run('CREATE TABLE "part" (id bigint, "of" bigint REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED)')


def insert_items(ids: Sequence[int]) -> InsertColumns:
    columns = {"id": ids, "name": [f"item {each}" for each in ids], "size": [7] * len(ids)}
    return InsertColumns("item", columns, (INTEGER, TEXT, INTEGER))


@pytest.fixture
def url(places_postgres: Callable[[], str]) -> str:
    return places_postgres()


@pytest.fixture
def driver(url: str) -> Iterator[PostgresDriver]:
    made = PostgresDriver(url)
    assert made.make_room(make())
    yield made
    made.close()


@pytest.fixture
def other(driver: PostgresDriver, url: str) -> Iterator[PostgresDriver]:
    """A second driver on the same room, as another process would have it."""
    made = PostgresDriver(url)
    yield made
    made.close()


@pytest.fixture
def kill(postgres_url: str) -> Iterator[Callable[[int], None]]:
    """Ends the server's side of a connection and waits until it is gone."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:

        def end(pid: int) -> None:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

        yield end


def backend(driver: PostgresDriver) -> int:
    pid: int = driver.run(only(Fetch("SELECT pg_backend_pid()")))[0][0]
    return pid


def count(driver: PostgresDriver, table: str = "item") -> int:
    found: int = driver.run(only(Fetch(f"SELECT count(*) FROM {table}")))[0][0]
    return found


# --- values ---


@pytest.mark.parametrize("storage", list(Storage))
@pytest.mark.parametrize("at_once", [True, False], ids=["many rows", "one row"])
def test_every_value_comes_back_as_it_went_in(driver: PostgresDriver, storage: Storage, at_once: bool) -> None:
    values = VALUES[storage]
    keys = list(range(len(values)))

    def insert() -> Plan[None]:
        if at_once:
            yield InsertColumns("kinds", {"key": keys, storage: values}, (INTEGER, storage))
            return
        for key, value in zip(keys, values, strict=True):
            yield InsertColumns("kinds", {"key": [key], storage: [value]}, (INTEGER, storage))

    driver.write(insert())
    fetched = driver.run(only(Fetch(f"SELECT {storage} FROM kinds ORDER BY key", (), (storage,))))
    by_key = driver.run(only(FetchKeys("kinds", "key", keys, (storage, "key"), (INTEGER, storage, INTEGER))))

    assert [repr(value) for (value,) in fetched] == list(map(repr, values))
    assert sorted(by_key, key=lambda row: row[1]) == list(zip(values, keys, strict=True))


@pytest.mark.parametrize("storage", list(Storage))
@pytest.mark.parametrize("at_once", [True, False], ids=["many rows", "one row"])
def test_every_value_can_be_set(driver: PostgresDriver, storage: Storage, at_once: bool) -> None:
    values = VALUES[storage]
    keys = list(range(len(values)))

    def update() -> Plan[None]:
        yield InsertColumns("kinds", {"key": keys}, (INTEGER,))
        if at_once:
            yield UpdateColumns("kinds", {"key": keys}, {storage: values}, (INTEGER, storage))
            return
        for key, value in zip(keys, values, strict=True):
            yield UpdateColumns("kinds", {"key": [key]}, {storage: [value]}, (INTEGER, storage))

    driver.write(update())

    fetched = driver.run(only(Fetch(f"SELECT {storage} FROM kinds ORDER BY key", (), (storage,))))
    assert [repr(value) for (value,) in fetched] == list(map(repr, values))


@pytest.mark.parametrize("storage", [each for each in Storage if each is not BOOLEAN])
@pytest.mark.parametrize("at_once", [True, False], ids=["many rows", "one row"])
def test_rows_are_found_and_deleted_by_keys_of_every_storage(
    driver: PostgresDriver, storage: Storage, at_once: bool
) -> None:
    values = list(dict.fromkeys(VALUES[storage]))
    keys = list(range(len(values)))
    wanted = [values[0], values[1], None] if at_once else [values[1]]

    driver.write(only(InsertColumns("kinds", {"key": keys, storage: values}, (INTEGER, storage))))
    found = driver.run(only(FetchKeys("kinds", storage, [*wanted, *wanted], ("key",), (storage, INTEGER))))
    driver.write(only(DeleteKeys("kinds", {storage: wanted}, (storage,))))

    expected = {(0,), (1,)} if at_once else {(1,)}
    assert len(found) == len(expected)
    assert set(found) == expected
    assert count(driver, "kinds") == len(values) - len(expected)


def test_without_storage_values_are_raw_scalars_too(driver: PostgresDriver) -> None:
    sql = "SELECT 'a'::text, 2::bigint, '\\x01'::bytea, 1.50::numeric, true, null, 0.0000001::numeric, 1e3::numeric"

    assert driver.run(only(Fetch(sql))) == [("a", 2, b"\x01", "1.5", True, None, "0.0000001", "1000")]


def test_results_take_the_form_of_their_storage(driver: PostgresDriver) -> None:
    sql = "SELECT sum(n), avg(n), sum(n::numeric / 2), count(n), 3, 2.0::float8 FROM (VALUES (1::bigint), (2)) AS v(n)"
    storage = (INTEGER, REAL, DECIMAL, DECIMAL, REAL, INTEGER)

    [row] = driver.run(only(Fetch(sql, (), storage)))

    assert [(type(value), value) for value in row] == [
        (int, 3), (float, 1.5), (str, "1.5"), (str, "2"), (float, 3.0), (int, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("items", "type_name", "text"),
    [
        ([b"\1" * 16, b"\2" * 16], "bytea[]", None),
        ([b"", None, b"abc"], "bytea[]", None),
        (["a", None, ',"{}\\'], "text[]", None),
        ([1, 2**40, None], "bigint[]", None),
        ([1, 2.5], "double precision[]", "{1,2.5}"),
        ([True, False, None], "boolean[]", None),
    ],
)
def test_a_list_is_bound_as_an_array(
    driver: PostgresDriver, items: list[Any], type_name: str, text: str | None
) -> None:
    cast = type_name.removesuffix("[]")
    [(found, shown)] = driver.run(only(Fetch("SELECT pg_typeof(p)::text, p::text FROM (SELECT %s AS p) q", (items,))))
    rows = driver.run(only(Fetch(f"SELECT unnest(%s::{cast}[])", (items,))))

    assert found == type_name
    assert text is None or shown == text
    assert [value for (value,) in rows] == items


@pytest.mark.parametrize("items", [[], [None, None]])
@pytest.mark.parametrize("condition", ["id = ANY(%s)", "name = ANY(%s)", "id IN (SELECT unnest(%s::bigint[]))"])
def test_a_list_of_nothing_finds_nothing(driver: PostgresDriver, items: list[None], condition: str) -> None:
    driver.write(only(insert_items([1, 2])))

    assert driver.run(only(Fetch(f"SELECT id FROM item WHERE {condition}", (items,)))) == []


def test_small_integers_do_not_overflow(driver: PostgresDriver) -> None:
    assert driver.run(only(Fetch("SELECT %s + %s", (2_000_000_000, 2_000_000_000)))) == [(4_000_000_000,)]


def test_a_percent_sign_needs_no_doubling_without_parameters(driver: PostgresDriver) -> None:
    assert driver.run(only(Fetch("SELECT 7 % 4, 'a%sb%%'"))) == [(3, "a%sb%%")]
    assert driver.run(only(Fetch("SELECT 7 %% 4, %s", ("100%",)))) == [(3, "100%")]
    assert driver.run(only(Fetch("SELECT 7 % 4", (), (INTEGER,)))) == [(3,)]


# --- statements by columns ---


@pytest.mark.parametrize("others", [0, 3000])
def test_of_several_updates_of_one_row_the_last_counts(driver: PostgresDriver, others: int) -> None:
    # How the database joins keys and rows, and so which update it would take, depends on how many rows there are.
    keys, names = {"id": [1, 2, 1, 2, 1]}, {"name": ["a", "b", "c", "d", "e"]}
    update = UpdateColumns("item", keys, names, (INTEGER, TEXT))
    driver.write(each(insert_items(range(1, 3 + others)), Run("ANALYZE item"), update))

    assert driver.run(only(Fetch("SELECT name FROM item WHERE id < 3 ORDER BY id"))) == [("e",), ("d",)]


def test_keys_of_several_columns_go_together(driver: PostgresDriver) -> None:
    keys: dict[str, list[Any]] = {"id": [1, 2, 3], "name": ["item 1", "other", "item 3"]}
    update = UpdateColumns("item", keys, {"size": [10, 20, 30]}, (INTEGER, TEXT, INTEGER))
    driver.write(each(insert_items([1, 2, 3]), update))
    sizes = driver.run(only(Fetch("SELECT size FROM item ORDER BY id")))
    driver.write(only(DeleteKeys("item", keys, (INTEGER, TEXT))))

    assert sizes == [(10,), (7,), (30,)]
    assert driver.run(only(Fetch("SELECT id FROM item"))) == [(2,)]


def test_columns_of_no_rows_change_nothing(driver: PostgresDriver) -> None:
    results = driver.write(
        each(
            insert_items([]),
            UpdateColumns("item", {"id": []}, {"name": []}, (INTEGER, TEXT)),
            DeleteKeys("item", {"id": []}, (INTEGER,)),
            FetchKeys("item", "id", [], ("name",), (INTEGER, TEXT)),
        )
    )

    assert results == [None, None, None, []]


def test_columns_of_different_lengths_are_refused(driver: PostgresDriver) -> None:
    with pytest.raises(ValueError, match="different lengths"):
        driver.write(only(InsertColumns("item", {"id": [1, 2], "name": ["a"]}, (INTEGER, TEXT))))

    assert count(driver) == 0


def test_a_quarter_of_a_million_keys_is_one_statement_of_a_plan(driver: PostgresDriver) -> None:
    ids = list(range(0, 1000))
    keys = list(range(500, 250_500))
    driver.write(only(insert_items(ids)))

    found = driver.run(only(FetchKeys("item", "id", keys, ("id",), (INTEGER, INTEGER))))
    driver.write(
        each(
            UpdateColumns("item", {"id": keys}, {"size": keys}, (INTEGER, INTEGER)),
            DeleteKeys("item", {"id": keys[100:]}, (INTEGER,)),
        )
    )

    assert sorted(found) == [(key,) for key in ids[500:]]
    assert driver.run(only(Fetch("SELECT min(size), max(size), count(*) FROM item"))) == [(7, 599, 600)]


def test_run_tells_how_many_rows_changed(driver: PostgresDriver) -> None:
    results = driver.write(
        each(insert_items([1, 2, 3]), Run("UPDATE item SET size = %s WHERE id > %s", (1, 1)), Run("SAVEPOINT x"))
    )

    assert results == [None, 2, 0]


def test_statements_are_counted(driver: PostgresDriver) -> None:
    before = driver.statements
    driver.run(each(Fetch("SELECT 1"), Fetch("SELECT 2")))

    assert driver.statements == before + 2


# --- transactions ---


def test_a_reading_plan_has_one_snapshot(driver: PostgresDriver, other: PostgresDriver) -> None:
    def plan() -> Plan[tuple[Any, Any]]:
        before = yield Fetch("SELECT count(*) FROM item")
        other.write(only(insert_items([1])))
        after = yield Fetch("SELECT count(*) FROM item WHERE id > %s", (0,))
        return before, after

    assert driver.run(plan()) == ([(0,)], [(0,)])
    assert count(driver) == 1


def test_a_reading_plan_cannot_write(driver: PostgresDriver) -> None:
    with pytest.raises(RoomReadOnly):
        driver.run(only(insert_items([1, 2])))

    assert count(driver) == 0


def test_a_reading_plan_leaves_no_transaction_open(driver: PostgresDriver, postgres_url: str) -> None:
    pid = backend(driver)
    deadline = time.monotonic() + 5
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        state: Any = None
        while state != ("idle",) and time.monotonic() < deadline:
            state = connection.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone()

    assert state == ("idle",)
    assert backend(driver) == pid


def test_a_plan_without_statements_needs_no_connection() -> None:
    def plan() -> Plan[int]:
        return 5
        yield Run("never")

    assert PostgresDriver("postgresql://nobody@127.0.0.1:1/x").run(plan()) == 5


def test_a_plan_that_raises_is_undone(driver: PostgresDriver) -> None:
    def plan() -> Plan[None]:
        yield insert_items([1, 2])
        raise KeyError("on purpose")

    with pytest.raises(KeyError, match="on purpose"):
        driver.write(plan())
    assert count(driver) == 0
    driver.write(only(insert_items([1, 2])))
    assert count(driver) == 2


def test_a_plan_may_go_on_from_a_savepoint(driver: PostgresDriver) -> None:
    def plan() -> Plan[str]:
        yield insert_items([1, 2])
        yield Run("SAVEPOINT rr_try")
        try:
            yield insert_items([3, 2])
        except Violation as violation:
            yield Run("ROLLBACK TO SAVEPOINT rr_try")
            yield Run("RELEASE SAVEPOINT rr_try")
            yield insert_items([4])
            return violation.kind
        return "none"

    assert driver.write(plan()) == "unique"
    assert driver.run(only(Fetch("SELECT id FROM item ORDER BY id"))) == [(1,), (2,), (4,)]


def test_a_plan_that_passes_over_an_error_commits_nothing(driver: PostgresDriver) -> None:
    def plan() -> Plan[str]:
        yield insert_items([1])
        try:
            yield insert_items([1])
        except Violation:
            return "as if nothing had happened"
        return ""

    with pytest.raises(Violation):
        driver.write(plan())
    assert count(driver) == 0


def test_writers_follow_each_other(driver: PostgresDriver, other: PostgresDriver) -> None:
    driver.write(only(Run("INSERT INTO item (id, size) VALUES (1, 0)")))

    def raise_size() -> Plan[None]:
        [(size,)] = yield Fetch("SELECT size FROM item WHERE id = 1")
        yield Run("UPDATE item SET size = %s WHERE id = 1", (size + 1,))

    def work(of: PostgresDriver) -> None:
        for _ in range(15):
            of.write(raise_size())

    threads = [threading.Thread(target=work, args=(of,)) for of in (driver, driver, other, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert driver.run(only(Fetch("SELECT size FROM item"))) == [(60,)]


def test_readers_do_not_wait_for_the_writer(driver: PostgresDriver, other: PostgresDriver) -> None:
    def plan() -> Plan[list[int]]:
        yield insert_items([1, 2])
        return [count(driver), count(other)]

    assert driver.write(plan()) == [0, 0]


def test_writing_while_writing_is_an_error_and_no_deadlock(driver: PostgresDriver) -> None:
    def plan() -> Plan[None]:
        yield insert_items([1])
        driver.write(only(insert_items([2])))

    with pytest.raises(RuntimeError, match="wait for it forever"):
        driver.write(plan())
    driver.write(only(insert_items([3])))
    assert count(driver) == 1


@pytest.mark.parametrize(("durability", "expected"), [("full", "on"), ("normal", "off")])
def test_durability_decides_what_a_commit_waits_for(driver: PostgresDriver, durability: Any, expected: str) -> None:
    driver.durability = durability

    assert driver.write(only(Fetch("SHOW synchronous_commit"))) == [(expected,)]


def test_prepared_statements_follow_a_schema_that_others_change(driver: PostgresDriver, other: PostgresDriver) -> None:
    def read() -> Plan[Any]:
        return (yield Fetch("SELECT size FROM item WHERE id = %s", (1,), (TEXT,)))

    driver.write(only(insert_items([1])))
    before = [driver.write(read()) for _ in range(12)]
    other.write(
        each(
            Run("ALTER TABLE item ALTER COLUMN size TYPE text"),
            Run("UPDATE rr_room SET schema_revision = schema_revision + 1"),
        )
    )

    assert before == [[(7,)]] * 12
    assert driver.write(read()) == [("7",)]
    assert driver.run(read()) == [("7",)]


def test_a_room_without_its_row_is_damaged(driver: PostgresDriver) -> None:
    driver.write(only(Run("DELETE FROM rr_room")))

    with pytest.raises(RoomDamaged, match="0 rows"):
        driver.write(only(insert_items([1])))
    assert count(driver) == 0


def test_a_room_that_was_dropped_is_not_found(driver: PostgresDriver, postgres_url: str) -> None:
    driver.write(only(insert_items([1])))
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(f"DROP SCHEMA {driver.schema} CASCADE".encode())

    with pytest.raises(RoomNotFound):
        driver.write(only(insert_items([1])))


# --- streams ---


def streamed(
    sql: str = "SELECT id, name FROM item ORDER BY id",
) -> Plan[tuple[Fetch, Callable[[list[Row]], list[Row]]]]:
    yield Fetch("SELECT schema_revision FROM rr_room")
    return Fetch(sql, (), (INTEGER, TEXT)), lambda rows: rows


def test_a_stream_has_one_snapshot_and_the_size_asked_for(driver: PostgresDriver) -> None:
    driver.write(only(insert_items(range(10))))
    stream = driver.stream(streamed(), 4)
    chunks = [next(stream)]
    driver.write(only(Run("DELETE FROM item")))
    chunks += stream

    assert [len(chunk) for chunk in chunks] == [4, 4, 2]
    assert chunks[2][-1] == (9, "item 9")


def test_a_stream_takes_little_memory(driver: PostgresDriver) -> None:
    sql = "SELECT n, repeat('x', 1000) FROM generate_series(1, 20000) n"
    tracemalloc.start()
    try:
        total = sum(len(rows) for rows in driver.stream(streamed(sql), 500))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert total == 20_000
    assert peak < 4_000_000


def test_a_stream_given_up_frees_its_connection(driver: PostgresDriver) -> None:
    driver.write(only(insert_items(range(10))))
    pid = backend(driver)
    stream = driver.stream(streamed(), 2)
    next(stream)
    during = backend(driver)
    stream.close()

    # What a stream reads cannot be altered; this would wait for one that is still open.
    driver.write(each(Run("SET LOCAL lock_timeout = '5s'"), Run("ALTER TABLE item ADD COLUMN more text")))
    assert during != pid


def test_an_open_stream_makes_a_schema_change_fail_after_a_while(driver: PostgresDriver) -> None:
    driver.write(only(insert_items(range(10))))
    stream = driver.stream(streamed(), 2)
    next(stream)

    with pytest.raises(StoreUnavailable, match="lock timeout"):
        driver.write(each(Run("SET LOCAL lock_timeout = '50ms'"), Run("ALTER TABLE item ADD COLUMN more text")))
    assert len(list(stream)) == 4


def test_errors_of_a_stream_are_named(driver: PostgresDriver) -> None:
    body = "BEGIN RAISE EXCEPTION 'too slow' USING ERRCODE = '57014'; END"
    driver.write(only(Run(f"CREATE FUNCTION fail() RETURNS text LANGUAGE plpgsql AS $${body}$$")))

    with pytest.raises(StoreUnavailable, match="too slow"):
        next(driver.stream(streamed("SELECT 1, fail()"), 2))
    assert count(driver) == 0


# --- violations ---


def test_a_violation_names_table_and_columns(driver: PostgresDriver) -> None:
    driver.write(only(insert_items([1])))
    with pytest.raises(Violation) as caught:
        driver.write(
            only(InsertColumns("item", {"id": [2], "name": ["item 1"], "size": [7]}, (INTEGER, TEXT, INTEGER)))
        )

    violation = caught.value
    assert (violation.kind, violation.table, violation.columns) == ("unique", "item", ("name", "size"))
    assert violation.constraint == "item_name_size_key"
    assert "(item 1, 7)" in violation.detail


def test_columns_are_named_for_a_constraint_of_the_same_transaction(driver: PostgresDriver) -> None:
    with pytest.raises(Violation) as caught:
        driver.write(
            each(
                Run('CREATE TABLE "main.Shot" (id bigint, "Sub.code" text, kind text)'),
                Run('CREATE UNIQUE INDEX ON "main.Shot" ("Sub.code", kind) WHERE kind IN (\'a\')'),
                InsertColumns(
                    "main.Shot",
                    {"id": [1, 2], "Sub.code": ["x)=(y", "x)=(y"], "kind": ["a", "a"]},
                    (INTEGER, TEXT, TEXT),
                ),
            )
        )

    assert caught.value.table == "main.Shot"
    assert caught.value.columns == ("Sub.code", "kind")


def test_a_foreign_key_is_judged_at_the_commit(driver: PostgresDriver) -> None:
    with pytest.raises(Violation) as caught:
        driver.write(only(InsertColumns("part", {"id": [1], "of": [5]}, (INTEGER, INTEGER))))

    assert (caught.value.kind, caught.value.table, caught.value.columns) == ("foreign_key", "part", ("of",))
    assert count(driver, "part") == 0


@pytest.mark.parametrize("sql", ["ALTER TABLE part ADD CHECK (id > 0)", "ALTER TABLE part ALTER id SET NOT NULL"])
def test_other_constraints_are_violated_too(driver: PostgresDriver, sql: str) -> None:
    value = 0 if "CHECK" in sql else None
    with pytest.raises(Violation) as caught:
        driver.write(each(Run(sql), InsertColumns("part", {"id": [value]}, (INTEGER,))))

    assert (caught.value.kind, caught.value.table) == ("other", "part")


# --- errors ---


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("53100", StorageFull),
        ("53200", StoreUnavailable),
        ("42501", PermissionDenied),
        ("25006", RoomReadOnly),
        ("40P01", StoreUnavailable),
        ("57P01", StoreUnavailable),
        ("XX001", RoomDamaged),
        ("54001", QueryTooComplex),
        ("22012", psycopg.errors.DivisionByZero),
    ],
)
def test_errors_of_the_database_are_thrown_into_the_plan(
    driver: PostgresDriver, code: str, expected: type[Exception]
) -> None:
    met: list[Exception] = []

    def plan() -> Plan[None]:
        yield insert_items([1])
        try:
            yield Run(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")
        except Exception as error:
            met.append(error)
            raise

    with pytest.raises(expected) as caught:
        driver.write(plan())
    assert met == [caught.value]
    assert count(driver) == 0


@pytest.mark.parametrize("sql", ["(" * 20_000 + "1" + ")" * 20_000, "1 + " * 100_000 + "1"])
def test_a_query_nested_too_deep_is_too_complex(driver: PostgresDriver, sql: str) -> None:
    with pytest.raises(QueryTooComplex):
        driver.run(only(Fetch(f"SELECT {sql}")))


def test_what_a_role_may_not_do_is_denied(driver: PostgresDriver) -> None:
    with pytest.raises(PermissionDenied, match="permission denied"):
        driver.write(each(Run("SET LOCAL ROLE pg_monitor"), Fetch(f"SELECT * FROM {driver.schema}.item")))


def test_a_driver_for_reading_never_writes(url: str, driver: PostgresDriver) -> None:
    reader = PostgresDriver(url, read_only=True)
    with pytest.raises(RoomReadOnly):
        reader.write(only(insert_items([1])))
    with pytest.raises(RoomReadOnly):
        reader.compact()
    with pytest.raises(RoomReadOnly):
        reader.make_room(make())
    assert count(reader) == 0
    reader.close()


def test_a_database_that_is_missing_is_no_room(postgres_url: str) -> None:
    missing = urlunsplit(urlsplit(postgres_url)._replace(path="/there_is_none_of_this_name"))
    with pytest.raises(RoomNotFound, match="there_is_none_of_this_name"):
        PostgresDriver(missing).has_room()


def test_an_unknown_user_is_denied(postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    unknown = urlunsplit(parts._replace(netloc=f"nobody_of_this_name:x@{parts.netloc.rpartition('@')[2]}"))
    with pytest.raises(PermissionDenied, match="nobody_of_this_name"):
        PostgresDriver(unknown).has_room()


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_a_server_that_cannot_be_reached_is_named_without_the_password() -> None:
    driver = PostgresDriver("postgresql://me:s3cret@127.0.0.1:1/studio?sslpassword=s3cret&connect_timeout=2&schema=a")
    assert driver.where == "postgresql://me@127.0.0.1:1/studio?connect_timeout=2&schema=a"

    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1") as caught:
        driver.run(only(Fetch("SELECT 1")))
    told = [f"{each} {each!r} {vars(each)}" for each in chain(caught.value)]
    assert "s3cret" not in " ".join(told)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@more@host/studio",
        "postgresql://me:s3/cret@host/studio",
        "postgresql://me:s3?cret@host/studio",
        "postgresql://me:s3:cret@host/stu@dio",
        "postgresql://me:s3cret@host:port/studio",
        "postgresql://me:s3cret@host/studio?pasword=s3cret",
        "postgresql://me:%zz@host/studio?s3cret",
    ],
)
def test_a_url_that_cannot_be_read_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InvalidValue, match="percent codes") as caught:
        PostgresDriver(url)
    told = [f"{each} {each!r} {vars(each)}" for each in chain(caught.value)]
    assert not any(part in " ".join(told) for part in ("s3", "cret"))


@pytest.mark.parametrize("name", ["", "a b", 'x"y', "pg_own", "ü", "1a", "a" * 64, "a&schema=b", "a;drop"])
def test_a_name_that_is_not_one_of_a_schema_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        PostgresDriver(f"postgresql://me@host/studio?schema={name}")

    assert caught.value.attribute == "schema"


def test_the_schema_is_taken_out_of_the_url() -> None:
    address = parse_address("postgresql://me:a%40b@host:5433/studio?sslmode=require&schema=Pro%64&password=x")

    assert address.schema == "Prod"
    assert address.where == "postgresql://me@host:5433/studio?sslmode=require&schema=Pro%64"
    assert address.parameters["sslmode"] == "require"
    assert "schema" not in address.parameters
    assert parse_address("postgresql:///studio").schema == "recordroom"


# --- connections ---


def test_a_connection_that_died_while_idle_is_replaced(driver: PostgresDriver, kill: Callable[[int], None]) -> None:
    kill(backend(driver))
    driver.write(only(insert_items([1])))
    kill(backend(driver))
    assert [len(rows) for rows in driver.stream(streamed(), 5)] == [1]
    kill(backend(driver))
    assert count(driver) == 1


def test_a_connection_that_died_unnoticed_is_replaced(
    driver: PostgresDriver, kill: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.write(only(insert_items([1])))
    [link] = driver._links._idle
    hears = Link.hears
    monkeypatch.setattr(Link, "hears", lambda link: hears(link) or True)
    monkeypatch.setattr(Link, "is_idle", lambda link: True)
    pid = link.connection.info.backend_pid

    kill(pid)
    assert count(driver) == 1
    driver.write(only(insert_items([2])))

    assert count(driver) == 2


def test_a_connection_lost_in_the_middle_is_an_error_and_nothing_is_written(
    driver: PostgresDriver, kill: Callable[[int], None]
) -> None:
    def plan() -> Plan[None]:
        [(pid,)] = yield Fetch("SELECT pg_backend_pid()")
        yield insert_items([1, 2])
        kill(pid)
        yield insert_items([3, 4])

    with pytest.raises(StoreUnavailable):
        driver.write(plan())
    with pytest.raises(StoreUnavailable):
        driver.run(reading_plan(kill))
    assert count(driver) == 0
    driver.write(only(insert_items([5])))
    assert count(driver) == 1


def reading_plan(kill: Callable[[int], None]) -> Plan[Any]:
    [(pid,)] = yield Fetch("SELECT pg_backend_pid()")
    kill(pid)
    return (yield Fetch("SELECT 1"))


def test_a_connection_lost_before_the_commit_is_an_error(driver: PostgresDriver, kill: Callable[[int], None]) -> None:
    def plan() -> Plan[None]:
        yield insert_items([1, 2])
        [(pid,)] = yield Fetch("SELECT pg_backend_pid()")
        kill(pid)

    with pytest.raises(StoreUnavailable):
        driver.write(plan())
    assert count(driver) == 0


def test_a_closed_driver_is_unavailable(driver: PostgresDriver) -> None:
    driver.write(only(insert_items(range(6))))
    stream = driver.stream(streamed(), 2)
    next(stream)
    driver.close()
    driver.close()

    assert len(list(stream)) == 2
    with pytest.raises(StoreUnavailable, match="was closed"):
        driver.run(only(Fetch("SELECT 1")))
    with pytest.raises(StoreUnavailable, match="was closed"):
        driver.write(only(insert_items([9])))
    with pytest.raises(StoreUnavailable, match="was closed"):
        next(driver.stream(streamed(), 2))


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_process_cannot_use_or_close_the_connections(driver: PostgresDriver) -> None:
    pid = backend(driver)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            driver.run(only(Fetch("SELECT 1")))
        except StoreUnavailable as error:
            driver.close()
            code = 0 if "forked" in str(error) else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert backend(driver) == pid


def test_a_driver_forgotten_leaves_no_connection(url: str, driver: PostgresDriver, postgres_url: str) -> None:
    forgotten = PostgresDriver(url)
    pid = backend(forgotten)
    del forgotten

    deadline = time.monotonic() + 5
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        left: Any = (1,)
        while left != (0,) and time.monotonic() < deadline:
            left = connection.execute(sql, (pid,)).fetchone()
    assert left == (0,)


def test_threads_read_beside_each_other(driver: PostgresDriver) -> None:
    driver.write(only(insert_items(range(50))))
    results: list[int] = []
    failures: list[Error] = []

    def work() -> None:
        try:
            results.extend(count(driver) for _ in range(20))
        except Error as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert results == [50] * 160


# --- rooms ---


def test_a_room_is_a_schema_of_its_own(driver: PostgresDriver, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (driver.schema,)).fetchall()

    assert set(found) == {("rr_room",), ("kinds",), ("item",), ("part",)}
    assert driver.has_room()


def test_a_room_is_made_once(url: str) -> None:
    drivers = [PostgresDriver(url) for _ in range(4)]
    made: list[bool] = []
    threads = [threading.Thread(target=lambda of=of: made.append(of.make_room(make()))) for of in drivers]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(made) == [False, False, False, True]
    assert drivers[0].has_room()
    for of in drivers:
        of.close()


def test_a_room_made_half_is_not_there(url: str) -> None:
    driver = PostgresDriver(url)

    def plan() -> Plan[None]:
        yield from make()
        yield Run("CREATE NONSENSE")

    with pytest.raises(psycopg.errors.SyntaxError):
        driver.make_room(plan())
    assert not driver.has_room()
    assert driver.make_room(make())
    driver.close()


def test_a_schema_with_other_things_in_it_is_left_alone(url: str, postgres_url: str) -> None:
    driver = PostgresDriver(url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {driver.schema} CREATE TABLE theirs (id int)".encode())

    assert not driver.has_room()
    with pytest.raises(NotARoom, match="other tables"):
        driver.make_room(make())
    driver.close()


def test_compacting_gives_space_back(driver: PostgresDriver) -> None:
    size = Fetch("SELECT pg_total_relation_size('item')")
    driver.write(only(insert_items(range(5000))))
    driver.write(only(Run("DELETE FROM item WHERE id > 10")))
    before = driver.run(only(size))[0][0]
    with driver.exclusive():
        driver.compact()

    assert driver.run(only(size))[0][0] < before / 5
    assert count(driver) == 11


def test_the_version_is_told(driver: PostgresDriver) -> None:
    name, number = driver.version().split()

    assert name == "PostgreSQL"
    assert number[0].isdigit()


def test_a_text_too_long_for_its_index_is_named(room_postgres: Room) -> None:
    driver = room_postgres.driver
    for text in (
        'CREATE TABLE "main.T" (id bigint, text text)',
        'CREATE UNIQUE INDEX "main.T~unique~T.text" ON "main.T" (text)',
    ):
        driver.write(_only(Run(text)))

    for size in (5_000, 20_000):
        noise = "".join(map(chr, random.Random(size).choices(range(0x4E00, 0x9FFF), k=size)))
        with pytest.raises(InvalidValue, match="unique or indexed"):
            driver.write(_only(Run('INSERT INTO "main.T" VALUES (1, %s)', (noise,))))
        columns = {"id": [1, 2], "text": [noise, "b"]}
        with pytest.raises(InvalidValue, match="unique or indexed"):
            driver.write(_only(InsertColumns("main.T", columns, (Storage.INTEGER, Storage.TEXT))))
    driver.write(_only(Run("INSERT INTO \"main.T\" VALUES (1, 'short')")))
    driver.write(_only(Run('DROP TABLE "main.T"')))


def _only(statement: Run | InsertColumns) -> Plan[object]:
    return (yield statement)
