"""Checking finds planted damage, and says what and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from recordroom.model.ids import new_id, new_ids, show_id
from recordroom.model.operations import Create, Delete, Link, SetKeys, Unlink, Update
from recordroom.store import journal, ledger
from recordroom.store.catalog import load_catalogs
from recordroom.store.journal import dump_operations, load_operations
from recordroom.store.plans import Plan, Run
from recordroom.store.sqltext import marked
from recordroom.store.verify import Problem, Report, check_plan
from tests.conftest import DATABASES
from tests.store.desk import Desk


@pytest.fixture(params=DATABASES)
def broken(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A desk with some history, on which a test may do damage."""
    desk: Desk = request.getfixturevalue(f"desk_{request.param}")
    fill(desk)
    assert desk.report().problems == []
    try:
        yield desk
    finally:
        desk.wipe()


def fill(desk: Desk) -> None:
    projects = desk.create("Project", name=["p", "q"])
    assets = desk.create("Shot", name=["s1", "s2"], project=projects, frames=[-0, 5], slate=["a", "b"])
    tasks = desk.create("Task", name=["t1", "t2", "t3"], bid=[-1, 2, None], asset=[*assets, None])
    [tag] = desk.create("Tag", name=["red"])
    desk.commit(
        Link("Task", "tags", tasks[:2], [tag, tag], ["n", None]),
        SetKeys("Task", "meta", tasks[:2], ["k", "k"], ["v", "w"]),
    )
    desk.commit(Update("Task", tasks, {"bid": [5, -2, 7], "text": ["some words here", None, "words"]}))
    desk.commit(Update("Task", tasks[:1], {"name": ["t1b"]}), Update("Task", tasks[:1], {"name": ["t1c"], "bid": [9]}))
    desk.commit(Unlink("Task", "tags", tasks[1:2], [tag]), SetKeys("Task", "meta", tasks[:1], ["k"], ["x"]))
    desk.commit(Delete("Task", tasks[2:]), Update("Shot", assets, {"frames": [1, 2]}))
    desk.commit(Create("Task", tasks[2:], {"name": ["back"]}))


def damage(desk: Desk, *statements: str, parameters: tuple[Any, ...] = ()) -> list[Problem]:
    """Run statements behind the engine's back; what checking finds then."""
    dialect = desk.room.driver.dialect
    desk.catch_up()

    def plan() -> Plan[None]:
        if dialect == "postgresql":
            yield Run("SET LOCAL session_replication_role = replica")
        else:
            yield Run("PRAGMA defer_foreign_keys = on")
        for statement in statements:
            yield Run(marked(dialect, statement), parameters if "?" in statement else ())

    if dialect == "sqlite":
        desk.room.driver._writer.pragma("foreign_keys", False)  # type: ignore[attr-defined]
    try:
        desk.room.driver.write(plan())
    finally:
        if dialect == "sqlite":
            desk.room.driver._writer.pragma("foreign_keys", True)  # type: ignore[attr-defined]
    return desk.report().problems


def at(problems: list[Problem], where: str) -> list[Problem]:
    return [problem for problem in problems if problem.where == where]


def one(desk: Desk, name: str) -> bytes:
    return next(entity for entity, found in desk.rows("Task", "name").items() if found == name)


def test_a_room_in_order_has_no_problems_and_says_what_was_looked_at(broken: Desk) -> None:
    report = broken.report()

    assert list(report) == []
    assert len(report) == 0
    assert report.counts["entities"] == 8
    assert report.counts["commits"] == 10
    assert report.counts["texts"] == 11


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        ("UPDATE \"main.Task\" SET name = 'other' WHERE id = ?", "name"),
        ('UPDATE "main.Task" SET name = NULL WHERE id = ?', "name"),
        ('UPDATE "main.Task" SET bid = bid + 1 WHERE id = ?', "bid"),
        ('UPDATE "main.Task" SET asset = NULL WHERE id = ?', "asset"),
        ('UPDATE "main.Task" SET hidden = NULL WHERE id = ?', "hidden"),
        ('UPDATE "main.Task" SET number = 999 WHERE id = ?', "number"),
        ('UPDATE "main.Task" SET revision = revision - 1 WHERE id = ?', "revision"),
        ('UPDATE "main.Task" SET created_revision = created_revision - 1 WHERE id = ?', "created_revision"),
    ],
)
def test_a_value_that_the_journal_does_not_know_is_found(broken: Desk, statement: str, column: str) -> None:
    task = one(broken, "t1c")

    problems = damage(broken, statement, parameters=(task,))

    [problem] = [each for each in at(problems, f"main.Task.{column}") if "journal" in each.what]
    assert problem.entities == (show_id(task),)


def test_minus_one_and_minus_two_are_told_apart(broken: Desk) -> None:
    task = one(broken, "t2")
    assert broken.rows("Task", "bid")[task] == -2

    problems = damage(broken, 'UPDATE "main.Task" SET bid = -1 WHERE id = ?', parameters=(task,))

    assert at(problems, "main.Task.bid")


def test_rows_that_are_missing_or_too_many_are_found(broken: Desk) -> None:
    task = one(broken, "back")

    missing = damage(broken, 'DELETE FROM "main.Task" WHERE id = ?', parameters=(task,))
    assert all(problem.entities == (show_id(task),) for problem in at(missing, "main.Task.revision"))
    assert at(missing, "main.Task.revision")

    extra = new_id()
    now = broken.revision
    sql = f'INSERT INTO "main.Tag" (id, "number", revision, created_revision) VALUES (?, 77, {now}, {now})'
    more = damage(broken, sql, parameters=(extra,))
    assert show_id(extra) in {entity for problem in at(more, "main.Tag.revision") for entity in problem.entities}


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE \"main.Task~past\" SET name = 'other' WHERE id = ? AND name = 't1'", "main.Task~past.name"),
        ('UPDATE "main.Task~past" SET rate = 0.5 WHERE id = ? AND bid = 5', "main.Task~past.rate"),
        ('UPDATE "main.Task~past" SET until = until + 1 WHERE id = ? AND bid = 5', "main.Task~past.revision"),
        ('DELETE FROM "main.Task~past" WHERE id = ? AND bid = 5', "main.Task~past.revision"),
    ],
)
def test_replaced_rows_that_the_journal_does_not_know_are_found(broken: Desk, statement: str, where: str) -> None:
    task = one(broken, "t1c")

    problems = damage(broken, statement, parameters=(task,))

    assert {entity for problem in at(problems, where) for entity in problem.entities} == {show_id(task)}


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE \"main.Task.tags\" SET note = 'other'", "main.Task.tags.target"),
        ('DELETE FROM "main.Task.tags"', "main.Task.tags.target"),
        ("UPDATE \"main.Task.meta\" SET value = 'other' WHERE value = 'x'", "main.Task.meta.key"),
        ('UPDATE "main.Task.meta~past" SET until = until + 1', "main.Task.meta~past.key"),
        ('DELETE FROM "main.Task.tags~past"', "main.Task.tags~past.target"),
    ],
)
def test_links_and_keys_that_the_journal_does_not_know_are_found(broken: Desk, statement: str, where: str) -> None:
    assert at(damage(broken, statement), where)


def test_references_to_nothing_are_found(broken: Desk) -> None:
    task = one(broken, "t1c")

    problems = damage(
        broken, 'DELETE FROM "main.Asset" WHERE id = (SELECT asset FROM "main.Task" WHERE id = ?)', parameters=(task,)
    )

    [problem] = [each for each in at(problems, "main.Task.asset") if "no such" in each.what]
    assert (problem.what, problem.entities) == ("there is no such Asset", (show_id(task),))
    assert "main.Task.asset: there is no such Asset" in str(problem)


def test_links_to_nothing_are_found(broken: Desk) -> None:
    problems = damage(broken, 'DELETE FROM "main.Tag"')

    assert "there is no such Tag" in {each.what for each in at(problems, "main.Task.tags.target")}


def test_missing_required_values_are_found(broken: Desk) -> None:
    problems = damage(broken, 'UPDATE "main.Project" SET name = NULL')

    assert any("required" in problem.what for problem in at(problems, "main.Project.name"))


def test_values_that_are_not_of_their_kind_are_found(broken: Desk) -> None:
    problems = damage(broken, "UPDATE \"main.Task\" SET status = 'lost'")

    assert any("'lost'" in problem.what for problem in at(problems, "main.Task.status"))


def test_strange_types_and_revisions_to_come_are_found(broken: Desk) -> None:
    problems = damage(
        broken, "UPDATE \"main.Asset\" SET entity_type = 'Car'", 'UPDATE "main.Project" SET revision = 1000000'
    )

    assert any("types" in problem.what for problem in at(problems, "main.Asset"))
    assert any("not one of a commit" in problem.what for problem in at(problems, "main.Project.revision"))


def test_a_counter_that_would_repeat_numbers_is_found(broken: Desk) -> None:
    problems = damage(broken, 'UPDATE rr_counter SET "next" = 2 WHERE "table" = \'main.Task\'')

    assert any("counter" in problem.what for problem in at(problems, "main.Task.number"))


def _cut(operations: bytes) -> bytes:
    return operations[:-1]


def _without_last(operations: bytes) -> bytes:
    return dump_operations(load_operations(operations)[:-1])


def _not_utf8(operations: bytes) -> bytes:
    return operations.replace(b"Task", b"\xff\xff\xff\xff")


@pytest.mark.parametrize("change", [_cut, _without_last, _not_utf8])
def test_a_journal_that_was_tampered_with_is_found(broken: Desk, change: Callable[[bytes], bytes]) -> None:
    revision = broken.revision - 2
    [(operations,)] = broken.sql("SELECT operations FROM rr_journal WHERE revision = ?", revision)
    changed = change(bytes(operations))

    assert damage(broken, f"UPDATE rr_journal SET operations = ? WHERE revision = {revision}", parameters=(changed,))


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DELETE FROM rr_journal WHERE revision = ?", "operations of commit"),
        ("DELETE FROM rr_commit WHERE revision = ?", "missing"),
        ("UPDATE rr_commit SET time = 5 WHERE revision = ?", "older than the one before"),
    ],
)
def test_commits_that_are_missing_or_out_of_order_are_found(broken: Desk, statement: str, what: str) -> None:
    problems = damage(broken, statement, parameters=(broken.revision - 1,))

    assert any(what in problem.what for problem in at(problems, "journal"))


def test_a_room_whose_revision_is_not_the_last_commits_is_found(broken: Desk) -> None:
    problems = damage(broken, "UPDATE rr_room SET revision = revision + 1")

    assert any("the last commit is" in problem.what for problem in at(problems, "journal"))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM rr_search WHERE hierarchy = 'main.Tag'",
        "UPDATE rr_search SET weight = 0.25 WHERE hierarchy = 'main.Tag'",
        "UPDATE rr_search SET attribute = 'nme' WHERE hierarchy = 'main.Tag'",
    ],
)
def test_texts_that_the_index_does_not_have_are_found(broken: Desk, statement: str) -> None:
    assert at(damage(broken, statement), "main.Tag")


def test_words_that_the_index_lacks_are_found(broken: Desk) -> None:
    if broken.room.driver.dialect == "sqlite":
        sql = "DELETE FROM rr_search_words WHERE rowid = (SELECT row FROM rr_search WHERE hierarchy = 'main.Tag')"
    else:
        sql = "UPDATE rr_search SET words = array_to_tsvector(array['blue']) WHERE hierarchy = 'main.Tag'"

    [problem] = at(damage(broken, sql), "rr_search")

    assert "'red'" in problem.what


def test_a_follower_that_is_behind_is_said_to_be(broken: Desk) -> None:
    broken.catch_up()
    sql = "UPDATE rr_follower SET revision = revision - 3 WHERE name LIKE '%:main'"
    broken.sql(sql + " RETURNING name")

    def plan() -> Plan[Report]:
        catalogs = yield from load_catalogs(broken.room.driver.dialect, None)
        return (yield from check_plan(catalogs.by_key, broken.room.driver.dialect))

    report = broken.room.driver.run(plan())

    assert report.problems == []
    assert [each.partition(" keeps")[0] for each in report.unchecked] == ["main: what 'history'", "main: what 'search'"]
    broken.sql(sql.replace("- 3", "+ 3") + " RETURNING name")


def test_small_pages_find_the_same(broken: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_PAGE", 2)
    monkeypatch.setattr(journal, "FIRST_READ", 1)
    monkeypatch.setattr("recordroom.store.verify._PAGE", 2)
    tags = new_ids(9)
    broken.commit(Create("Tag", tags, {"name": [f"n{n}" for n in range(9)]}))
    for _ in range(5):
        names = broken.rows("Tag", "name")
        broken.commit(Update("Tag", tags, {"name": [f"{names[tag]}x" for tag in tags]}))
    assert broken.report().problems == []

    problems = damage(broken, "UPDATE \"main.Tag~past\" SET name = '?' WHERE name = 'n4xx'")

    assert {problem.where for problem in problems} == {"main.Tag~past.name"}


def test_damage_to_many_entities_names_some(broken: Desk) -> None:
    broken.create("Tag", name=[f"n{n}" for n in range(100)])

    [problem] = at(damage(broken, "UPDATE \"main.Tag\" SET name = name || '!'"), "main.Tag.name")

    assert len(problem.entities) == 20
