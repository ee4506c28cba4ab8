"""Links, mappings and collections in files of rows: columns that are exported are imported again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from recordroom.client.rows import export_rows, import_rows
from recordroom.client.session import Session
from recordroom.errors import ImportFailed

from .samples import on_both

SCHEMA = """
[User.attributes]
name = { kind = "text", unique = true }

[Task.attributes]
name = { kind = "text", unique = true }
bid = "number"
lead = { kind = "reference", target = "User", reverse = "leads" }
people = { kind = "links", target = "User", reverse = "tasks", notes = true }
after = { kind = "links", target = "Task", reverse = "before" }
info = { kind = "mapping", of = "integer" }
moments = { kind = "mapping", of = "datetime" }
"""
File = Callable[..., Path]
EXTENSIONS = ["csv", "jsonl", "parquet", "arrow"]
EVERYTHING = "select name, bid, people, after, info, moments from Task"


@pytest.fixture
def session(session: Session) -> Session:
    session.apply_schema(SCHEMA)
    session.create_many("User", {"name": ["Ada", "Bob", "Cleo"]})
    session.commit()
    return session


@pytest.fixture
def other(other: Session) -> Session:
    other.apply_schema(SCHEMA)
    return other


def people(session: Session, task: str) -> list[str]:
    [found] = session.query("select people.name from Task where name is $task", task=task)
    session.refresh(found)
    return sorted(each["name"] for each in found["people"])


def fill(session: Session) -> None:
    users = session.query("User order by name").all()
    first = session.create("Task", {"name": "first", "people": users[:2], "info": {"a": 1, "b": 2**60}})
    moment = "2026-11-21T10:30:00Z"
    session.create("Task", {"name": "second", "after": [first], "people": users[2:], "moments": {"begun": moment}})
    session.create("Task", {"name": "third"})
    session.commit()


def state(session: Session) -> Any:
    return session.query(f"{EVERYTHING} order by name").to_arrow().to_pylist()


@on_both
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_what_is_exported_makes_the_same_entities(
    session: Session, other: Session, tmp_path: Path, extension: str
) -> None:
    fill(session)
    for type_name, question in (("User", "User"), ("Task", EVERYTHING)):
        path = tmp_path / f"{type_name}.{extension}"
        export_rows(session.query(question), path)
        report = import_rows(other, type_name, path)
        again = import_rows(other, type_name, path)
        assert (report.created, again.unchanged, again.updated) == (3, 3, 0)

    assert state(other) == state(session)
    assert other.query("User where name is Cleo").one()["tasks"][0]["name"] == "second"


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_members_are_named_by_their_natural_keys(session: Session, tmp_path: Path, extension: str) -> None:
    fill(session)
    before, path = state(session), tmp_path / f"tasks.{extension}"
    export_rows(session.query("select name, people.name, info from Task"), path)
    for task in session.query("Task"):
        task["people"], task["info"] = [], {}
    session.commit()

    report = import_rows(session, "Task", path, references={"people": "people.name:name"})

    assert (report.updated, report.unchanged) == (2, 1)
    assert state(session) == before


def test_a_cell_stands_for_the_whole(session: Session, file: File) -> None:
    fill(session)
    text = (
        'name,people,info\nfirst,"[""Bob"",""Cleo"",""Bob""]","{""b"":3,""c"":""4""}"\nsecond,,\nnew,"[""Ada""]",{}\n'
    )
    report = import_rows(session, "Task", file(text), key="name")

    assert (report.created, report.updated, report.unchanged) == (1, 2, 0)
    assert [people(session, name) for name in ("first", "second", "third", "new")] == [["Bob", "Cleo"], [], [], ["Ada"]]
    [first] = session.query("Task where name is first")
    assert dict(first["info"]) == {"b": 3, "c": 4}
    assert import_rows(session, "Task", file(text), key="name").unchanged == 3


def test_notes_of_links_that_stay_are_kept(session: Session, file: File) -> None:
    fill(session)
    [first] = session.query("Task where name is first")
    first["people"].link(session.query("User where name is Ada").one(), "lead")
    session.commit()
    import_rows(session, "Task", file('name,people\nfirst,"[""Ada"",""Cleo""]"\n'), key="name")

    session.refresh(first)
    assert {each["name"]: first["people"].note(each) for each in first["people"]} == {"Ada": "lead", "Cleo": None}


def test_rows_of_a_file_link_each_other_and_the_last_of_an_entity_counts(session: Session, file: File) -> None:
    text = '{"name": "b", "after": []}\n{"name": "c", "after": ["b", "d"]}\n{"name": "d", "after": ["c"]}\n{"name": "b", "after": ["d"]}\n'
    report = import_rows(session, "Task", file(text, "rows.jsonl"), key="name")

    assert (report.created, report.updated) == (3, 1)
    after = {each["name"]: sorted(one["name"] for one in each["after"]) for each in session.query("Task")}
    assert after == {"b": ["d"], "c": ["b", "d"], "d": ["c"]}


def test_the_other_side_of_links_can_be_imported(session: Session, file: File) -> None:
    fill(session)
    import_rows(session, "User", file('{"name": "Cleo", "tasks": ["first", "third"]}\n', "rows.jsonl"), key="name")

    assert [people(session, name) for name in ("first", "second", "third")] == [["Ada", "Bob", "Cleo"], [], ["Cleo"]]


def test_maps_and_structs_of_arrow_are_mappings(session: Session, tmp_path: Path) -> None:
    info = pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64()))
    moments = pa.array([{"x": None}, {"x": 0}, None], pa.struct([("x", pa.timestamp("us", "UTC"))]))
    table = pa.table({"name": ["a", "b", "c"], "info": info, "moments": moments, "people": [["Ada"], [], None]})
    parquet.write_table(table, tmp_path / "rows.parquet")
    import_rows(session, "Task", tmp_path / "rows.parquet")

    found = {each["name"]: (dict(each["info"]), list(each["moments"])) for each in session.query("Task")}
    assert found == {"a": ({"a": 1}, []), "b": ({}, ["x"]), "c": ({}, [])}
    assert people(session, "a") == ["Ada"]


WRONG = {
    ("people", '"Ada"'): "a list",
    ("people", '{"a": 1}'): "a list",
    ("people", "[null]"): "a list",
    ("people", '["Ada", "Dora", "Emil"]'): "an existing User",
    ("people", "[5]"): "text",
    ("info", "[1]"): "an object",
    ("info", '"x"'): "an object",
    ("info", '{"a": "much"}'): r"info\['a'\]: an integer",
    ("info", '{"": 1}'): "as a key, a text that is not empty",
    ("info", '{"a\\u0000": 1}'): "as a key, text without NUL",
    ("info", '{"a": 1e99}'): "an integer",
    ("moments", '{"a": "0000-01-01T00:00:00Z"}'): "a datetime",
}


@pytest.mark.parametrize(("column", "cell"), WRONG)
def test_a_wrong_cell_is_told_and_changes_nothing(session: Session, file: File, column: str, cell: str) -> None:
    for name, text in (
        ("rows.jsonl", f'{{"name": "x", "{column}": {cell}}}\n'),
        ("rows.csv", 'name,{}\nx,"{}"\n'.format(column, cell.replace('"', '""'))),
    ):
        with pytest.raises(ImportFailed, match=WRONG[column, cell]) as caught:
            import_rows(session, "Task", file(text, name))
        assert (caught.value.line, caught.value.column) == (1 if name == "rows.jsonl" else 2, column)
    assert session.query("Task").count() == 0


def test_wrong_rows_are_left_out_whole_and_unknown_members_may_be(session: Session, file: File, tmp_path: Path) -> None:
    text = 'name,people\na,"[""Ada"",""Dora""]"\nb,"[""Bob""]"\nb2,Bob\n'
    report = import_rows(session, "Task", file(text), on_error="skip", rejects=tmp_path / "wrong.csv")
    assert (report.created, report.rejected) == (1, 2)
    assert session.query("Task").one()["name"] == "b"

    report = import_rows(session, "Task", file(text.removesuffix("b2,Bob\n")), key="name", unresolved="null")
    assert (report.created, report.unchanged, report.unresolved["people"].count) == (1, 1, 1)
    assert people(session, "a") == ["Ada"]


def test_rows_that_the_room_refuses_take_their_links_along(session: Session, file: File) -> None:
    fill(session)
    text = 'name,people,info\nfirst,"[""Ada""]","{""a"":1}"\nfresh,"[""Bob""]","{""b"":2}"\n'
    report = import_rows(session, "Task", file(text), on_error="skip")

    assert (report.created, report.rejected, report.problems[0].line) == (1, 1, 2)
    assert people(session, "fresh") == ["Bob"]
    assert people(session, "first") == ["Ada", "Bob"]
