from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from recordroom.errors import NotARoom, PermissionDenied, RoomDamaged, StorageFull, StoreUnavailable
from recordroom.model.kinds import Storage
from recordroom.store.drivers.sqlite import SqliteDriver
from recordroom.store.plans import Fetch, InsertColumns, Plan, Run, Statement, Violation
from tests.store.unprivileged import as_nobody, reachable_folder


def one(statement: Statement) -> Plan[Any]:
    return (yield statement)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.sqlite"
    path.touch()
    return path


@pytest.fixture
def driver(path: Path) -> Iterator[SqliteDriver]:
    driver = SqliteDriver(path)
    driver.write(one(Run('CREATE TABLE "a.b" (n INTEGER PRIMARY KEY, "x.y" TEXT NOT NULL) STRICT')))
    yield driver
    driver.close()


def insert(count: int, text: str = "x") -> InsertColumns:
    columns = {"n": range(count), "x.y": [text] * count}
    return InsertColumns("a.b", columns, (Storage.INTEGER, Storage.TEXT))


COUNT = Fetch('SELECT count(*) FROM "a.b"')


def test_construction_opens_nothing(path: Path) -> None:
    SqliteDriver(path / "nowhere")

    assert [*path.parent.iterdir()] == [path]


def test_commits_are_durable_and_foreign_keys_hold(driver: SqliteDriver) -> None:
    pragmas = ["journal_mode", "synchronous", "foreign_keys"]
    found = [driver.write(one(Fetch(f"PRAGMA {pragma}"))) for pragma in pragmas]

    assert found == [[("wal",)], [(2,)], [(1,)]]


def test_durability_can_be_lowered(path: Path) -> None:
    driver = SqliteDriver(path)
    driver.durability = "normal"

    assert driver.write(one(Fetch("PRAGMA synchronous"))) == [(1,)]
    driver.close()


def test_only_the_writer_checkpoints(driver: SqliteDriver, path: Path) -> None:
    driver.write(one(insert(1000)))
    for _ in range(3):
        driver.run(one(COUNT))
    reader = SqliteDriver(path, read_only=True)
    reader.run(one(COUNT))
    log = Path(f"{path}-wal")
    before = log.stat().st_size
    reader.close()

    assert log.stat().st_size == before > 0
    driver.close()
    assert log.stat().st_size == 0


def test_compacting_makes_the_file_smaller_and_lets_readers_read_on(driver: SqliteDriver, path: Path) -> None:
    def everything() -> Plan[tuple[Fetch, Callable[[list[Any]], int]]]:
        return Fetch('SELECT n FROM "a.b" ORDER BY n'), len
        yield COUNT

    driver.write(one(insert(5000, "x" * 200)))
    driver.write(one(Run('DELETE FROM "a.b" WHERE n > 10')))
    stream = driver.stream(everything(), 2)
    assert next(stream) == 2
    driver.compact()

    assert sum(stream) == 9
    driver.compact()
    assert path.stat().st_size < 100_000
    assert driver.run(one(COUNT)) == [(11,)]


def test_threads_of_readers_are_not_kept_for_ever(driver: SqliteDriver) -> None:
    def nested(depth: int) -> Plan[Any]:
        if depth:
            driver.run(nested(depth - 1))
        return (yield COUNT)

    driver.run(nested(10))
    assert len(driver._idle) == 4


@pytest.mark.parametrize("kind", ["unique", "other"])
def test_a_violation_names_a_table_and_columns_with_dots(driver: SqliteDriver, kind: str) -> None:
    statement = insert(2) if kind == "unique" else InsertColumns("a.b", {"n": [9], "x.y": [None]}, insert(0).storage)
    driver.write(one(insert(1)))
    with pytest.raises(Violation) as caught:
        driver.write(one(statement))

    assert caught.value.kind == kind
    if kind == "unique":
        assert (caught.value.table, caught.value.columns) == ("a.b", ("n",))


def test_a_full_disk_is_named_and_changes_nothing(driver: SqliteDriver) -> None:
    driver.write(one(insert(10)))
    [(pages,)] = driver.write(one(Fetch("PRAGMA page_count")))
    driver.write(one(Fetch(f"PRAGMA max_page_count = {pages + 2}")))
    big = InsertColumns("a.b", {"n": range(100, 200), "x.y": ["x" * 4000] * 100}, insert(0).storage)

    with pytest.raises(StorageFull) as caught:
        driver.write(one(big))
    assert caught.value.path == driver.where
    assert driver.run(one(COUNT)) == [(10,)]
    driver.write(one(InsertColumns("a.b", {"n": [50], "x.y": ["y"]}, insert(0).storage)))
    assert driver.run(one(COUNT)) == [(11,)]


def test_a_file_that_is_not_a_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 1000)
    driver = SqliteDriver(path)

    with pytest.raises(NotARoom):
        driver.run(one(COUNT))
    with pytest.raises(NotARoom):
        driver.write(one(COUNT))
    driver.close()


def test_a_truncated_file_is_named(driver: SqliteDriver, path: Path) -> None:
    driver.write(one(insert(5000)))
    driver.close()
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size // 2)
    again = SqliteDriver(path)

    with pytest.raises(RoomDamaged):
        again.run(one(COUNT))
    with pytest.raises(RoomDamaged):
        again.write(one(insert(1)))
    again.close()


def test_a_missing_file_is_named_and_not_made(tmp_path: Path) -> None:
    driver = SqliteDriver(tmp_path / "a.sqlite")

    with pytest.raises(NotARoom, match="missing"):
        driver.run(one(COUNT))
    assert not [*tmp_path.iterdir()]


def test_a_closed_driver_says_so(driver: SqliteDriver) -> None:
    driver.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        driver.run(one(COUNT))
    with pytest.raises(StoreUnavailable, match="closed"):
        driver.write(one(COUNT))


def test_a_connection_is_not_used_after_a_fork(driver: SqliteDriver) -> None:
    driver.write(one(insert(1)))
    child = os.fork()
    if child == 0:
        try:
            driver.run(one(COUNT))
        except StoreUnavailable:
            os._exit(7)
        os._exit(1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 7
    assert driver.run(one(COUNT)) == [(1,)]


def test_a_database_where_nothing_can_be_written_can_be_read() -> None:
    with reachable_folder() as folder:
        path = folder / "a.sqlite"
        path.touch()
        driver = SqliteDriver(path)
        driver.write(one(Run('CREATE TABLE "a.b" (n INTEGER PRIMARY KEY, "x.y" TEXT NOT NULL) STRICT')))
        driver.write(one(insert(3)))
        with_log = as_nobody(lambda: SqliteDriver(path, read_only=True).run(one(COUNT)))
        driver.close()
        closed = as_nobody(lambda: SqliteDriver(path, read_only=True).run(one(COUNT)))
        for name in ("-wal", "-shm"):
            Path(f"{path}{name}").unlink()
        folder.chmod(0o555)
        path.chmod(0o444)
        copied = as_nobody(lambda: SqliteDriver(path, read_only=True).run(one(COUNT)))

    assert [with_log, closed, copied] == [[(3,)]] * 3


def test_writing_without_permission_is_named() -> None:
    with reachable_folder() as folder:
        path = folder / "a.sqlite"
        path.touch()
        SqliteDriver(path).write(one(Run("CREATE TABLE t (n)")))
        path.chmod(0o444)
        folder.chmod(0o555)
        error = as_nobody(lambda: SqliteDriver(path).write(one(Run("INSERT INTO t VALUES (1)"))))
        path.chmod(0o200)
        unreadable = as_nobody(lambda: SqliteDriver(path, read_only=True).run(one(COUNT)))

    assert isinstance(error, PermissionDenied)
    assert str(path) in error.what
    assert isinstance(unreadable, PermissionDenied)


def test_the_bundled_sqlite_has_no_known_damage() -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)
