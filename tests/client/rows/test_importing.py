"""Import: files become entities; what is wrong is told with line, column, value and what was expected."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from recordroom.client.rows import ImportReport, TextOptions, import_rows
from recordroom.client.session import Session
from recordroom.errors import ImportFailed, InvalidReference, InvalidValue, UnknownAttribute, UnknownType
from tests.client.street import open_session

from .samples import on_both

Write = Callable[..., Path]


def values(session: Session, query: str) -> list[tuple[Any, ...]]:
    """The selected values of a query, a tuple each."""
    table = session.query(query).to_arrow()
    return list(zip(*(table[name].to_pylist() for name in table.column_names if name != "id"), strict=True))


def failure(session: Session, *arguments: Any, **said: Any) -> ImportFailed:
    with pytest.raises(ImportFailed) as caught:
        import_rows(session, *arguments, **said)
    return caught.value


@pytest.fixture
def airlines(session: Session, file: Write) -> None:
    import_rows(session, "Airline", file("code,name\nAA,American\nB6,JetBlue\nUA,United\n", "airlines.csv"))


@pytest.fixture
def airports(session: Session, file: Write) -> None:
    import_rows(
        session, "Airport", file("faa,name\nEWR,Newark\nJFK,Kennedy\nSJC,San Jose\nSJO,San Jose\n", "airports.csv")
    )


# --- creating ---


def test_a_csv_file_becomes_entities(session: Session, file: Write) -> None:
    report = import_rows(session, "Airline", file("code,name\nAA,American\nB6,\n"))

    assert values(session, "select code, name from Airline order by code") == [("AA", "American"), ("B6", None)]
    assert (report.rows, report.created, report.updated, report.rejected, report.commits) == (2, 2, 0, 0, 1)
    assert report.revision == session.query("select max(revision) as last from Airline").one()["last"]


def test_an_attribute_without_a_column_gets_its_default_and_an_empty_cell_is_missing(
    session: Session, file: Write
) -> None:
    import_rows(session, "Flight", file("no\n1\n"))
    import_rows(session, "Flight", file("no,status\n2,\n"))

    assert values(session, "select no, status from Flight order by no") == [(1, "open"), (2, None)]


def test_batches_are_commits_and_progress_tells_rows(session: Session, file: Write) -> None:
    told: list[tuple[int, int | None]] = []
    report = import_rows(
        session,
        "Flight",
        file("no\n" + "\n".join(map(str, range(25)))),
        batch_size=10,
        progress=lambda done, total: told.append((done, total)),
    )

    assert report.commits == 3
    assert told == [(10, None), (20, None), (25, None)]
    assert session.query("Flight").count() == 25


def test_notes_stand_in_the_history(session: Session, file: Write) -> None:
    import_rows(session, "Airline", file("code\nAA\n"))
    import_rows(session, "Airline", file("code\nB6\n"), notes="from the list")

    found = {each["code"]: session.history(each)[0].notes for each in session.query("Airline")}
    assert found == {"AA": "import from rows.csv", "B6": "from the list"}


def test_pending_edits_of_the_session_are_left_alone(session: Session, file: Write) -> None:
    mine = session.create("Airline", {"code": "XX"})
    import_rows(session, "Airline", file("code\nAA\n"))

    assert session.created == [mine]
    assert session.query("Airline").count() == 1


@on_both
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet", "rows.arrow", "rows.arrows"])
def test_every_format_is_imported(session: Session, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    table = pa.table({"no": [1, 2], "dest_code": ["EWR", None]})
    if name == "rows.jsonl":
        path.write_text('{"no": 1, "dest_code": "EWR"}\n{"no": 2}\n')
    elif name == "rows.parquet":
        parquet.write_table(table, path)
    else:
        make = pa.ipc.new_file if name == "rows.arrow" else pa.ipc.new_stream
        with make(path, table.schema) as writer:
            writer.write_table(table)
    told: list[int | None] = []
    report = import_rows(session, "Flight", path, progress=lambda done, total: told.append(total))

    assert report.created == 2
    assert told == [2 if name == "rows.parquet" else None]
    assert values(session, "select no, dest_code from Flight order by no") == [(1, "EWR"), (2, None)]


def test_a_stream_is_imported(session: Session) -> None:
    report = import_rows(session, "Airline", io.BytesIO(b"code\nAA\n"), format="csv")

    assert report.created == 1


def test_types_of_a_hierarchy_are_told_by_a_column(session: Session, file: Write) -> None:
    import_rows(session, "Thing", file("entity_type,name\nStone,basalt\nPlant,fern\n"))

    assert values(session, "select name, entity_type from Thing order by name") == [
        ("basalt", "Stone"),
        ("fern", "Plant"),
    ]
    error = failure(session, "Thing", file("entity_type,name\nStone,granite\nThing,?\n"))
    assert (error.line, error.column, error.expected) == (3, "entity_type", "one of Stone, Plant")


# --- what is wrong ---


def test_a_wrong_value_stops_and_is_told_with_line_column_value_and_expected(session: Session, file: Write) -> None:
    error = failure(session, "Flight", file('no,dest_code\n1,"two\nlines"\nx,b\n'))

    assert (error.line, error.column, error.value) == (4, "no", "x")
    assert "integer" in error.expected
    assert "line 4" in error.message
    assert session.query("Flight").count() == 0


def test_what_was_committed_before_a_stop_is_in_the_report(session: Session, file: Write) -> None:
    path = file("no\n" + "\n".join(map(str, range(10))) + "\n-1\n")
    error = failure(session, "Flight", path, batch_size=4)

    assert isinstance(error.report, ImportReport)
    assert (error.line, error.report.rows, error.report.created) == (12, 8, 8)
    assert session.query("Flight").count() == 8


def test_atomic_keeps_nothing_of_a_file_that_is_wrong_anywhere(session: Session, file: Write) -> None:
    error = failure(session, "Flight", file("no\n1\n2\n3\n-1\n"), batch_size=2, atomic=True)

    assert error.report.created == 0
    assert session.query("Flight").count() == 0
    assert import_rows(session, "Flight", file("no\n1\n2\n3\n"), batch_size=2, atomic=True).commits == 1


@on_both
def test_skip_leaves_wrong_rows_out_and_writes_them_to_the_rejects(
    session: Session, file: Write, tmp_path: Path
) -> None:
    path = file('no,dest_code,status\n1,a,open\nx,"b\nc",closed\n3,d\n,e,open\n5,f,done\n')
    report = import_rows(session, "Flight", path, on_error="skip", rejects=tmp_path / "wrong.csv")

    assert (report.rows, report.created, report.rejected) == (5, 2, 3)
    assert values(session, "select no from Flight order by no") == [(1,), (5,)]
    with (tmp_path / "wrong.csv").open(newline="") as file_:
        rows = list(csv.DictReader(file_))
    assert [(row["no"], row["dest_code"], row["status"], row["line"], row["column"]) for row in rows] == [
        ("x", "b\nc", "closed", "3", "no; status"),
        ("3", "d", "", "5", ""),
        ("", "e", "open", "6", "no"),
    ]
    assert "3 fields, found 2" in rows[1]["expected"]
    assert "requires" in rows[2]["expected"]
    assert [problem.line for problem in report.problems] == [3, 3, 5, 6]


def test_rejects_that_were_put_right_can_be_imported(session: Session, file: Write, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.csv"
    import_rows(session, "Flight", file("no,status\n1,open\nx,open\n"), on_error="skip", rejects=wrong)
    wrong.write_text(wrong.read_text().replace("x,", "2,"))

    assert import_rows(session, "Flight", wrong, ignore_extra=True).created == 1


def test_no_file_of_rejects_is_made_when_all_rows_are_right(session: Session, file: Write, tmp_path: Path) -> None:
    report = import_rows(session, "Airline", file("code\nAA\n"), on_error="skip", rejects=tmp_path / "wrong.csv")

    assert report.rejects is None
    assert not (tmp_path / "wrong.csv").exists()


def test_the_columns_of_the_rejects_do_not_hide_those_of_the_source(
    session: Session, file: Write, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.csv"
    import_rows(session, "Flight", file("no,line\nx,a\n"), on_error="skip", rejects=wrong, ignore_extra=True)

    assert wrong.read_text().splitlines()[0] == "no,line,line_,column,expected"


@on_both
@pytest.mark.usefixtures("airlines")
def test_a_value_that_must_be_unique_is_told_by_its_row(session: Session, file: Write) -> None:
    error = failure(session, "Airline", file("code,name\nXX,New\nAA,Again\n"))
    assert (error.line, error.column, error.value) == (3, "code", "AA")
    assert "no other Airline" in error.expected

    report = import_rows(session, "Airline", file("code,name\nXX,New\nAA,Again\nYY,Newer\nYY,Twice\n"), on_error="skip")
    assert (report.created, report.rejected) == (2, 2)
    assert [problem.line for problem in report.problems] == [3, 5]


def test_columns_that_do_not_fit_are_refused_before_the_first_row(session: Session, file: Write) -> None:
    with pytest.raises(UnknownAttribute, match="Did you mean 'name'"):
        import_rows(session, "Airline", file("code,nam\nAA,American\n"), on_error="skip")
    with pytest.raises(UnknownType, match="Airline"):
        import_rows(session, "Airlines", file("code\nAA\n"))
    error = failure(session, "Flight", file("dest_code\nEWR\n"))
    assert error.missing == ("no",)
    with pytest.raises(UnknownAttribute):
        import_rows(session, "Airline", file('{"code": "AA"}\n{"cod": "B6"}\n', "rows.jsonl"))
    assert session.query("Airline").count() == 0


@pytest.mark.usefixtures("airlines")
def test_a_file_whose_rows_are_all_refused_changes_nothing(session: Session, file: Write) -> None:
    before = session.query("select max(revision) as last from Airline").one()["last"]
    report = import_rows(session, "Airline", file("code\nAA\nB6\n"), on_error="skip")

    assert (report.created, report.rejected, report.commits) == (0, 2, 0)
    assert session.query("select max(revision) as last from Airline").one()["last"] == before


def test_a_type_that_another_session_made_is_known(session: Session, places: Callable[[str], str], file: Write) -> None:
    session.schema  # noqa: B018 - learnt before the other session changes it
    with open_session(places("rows")) as another:
        another.apply_schema('[Fresh.attributes]\nname = "text"\n')

    assert import_rows(session, "Fresh", file("name\na\n")).created == 1


def test_a_wrong_wish_is_refused(session: Session, file: Write) -> None:
    with pytest.raises(InvalidValue, match="on_error"):
        import_rows(session, "Airline", file("code\n"), on_error="continue")  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="unresolved"):
        import_rows(session, "Airline", file("code\n"), unresolved="skip")  # type: ignore[arg-type]


def test_a_file_that_breaks_half_way_says_what_was_done(session: Session, file: Write) -> None:
    error = failure(session, "Airline", file('code\nAA\nB6\n"UA\n'), batch_size=2)

    assert error.line == 4
    assert error.report.created == 2


def test_a_file_of_lines_that_are_not_json_does_not_miss_columns(session: Session, file: Write) -> None:
    with pytest.raises(ImportFailed, match="line 1: expected a JSON object") as caught:
        import_rows(session, "Airline", file('{"code": "AA"\n', "rows.jsonl"))
    assert caught.value.line == 1


def test_a_line_that_is_not_json_is_told_by_its_line(session: Session, file: Write) -> None:
    text = '{"code": "AA"}\n{"code": \n{"code": 5}\n'
    report = import_rows(session, "Airline", file(text, "rows.jsonl"), on_error="skip")

    assert report.created == 1
    assert [(problem.line, problem.column) for problem in report.problems] == [(2, ""), (3, "code")]


# --- references ---


@pytest.mark.usefixtures("airlines", "airports")
def test_references_are_found_by_the_one_unique_attribute(session: Session, file: Write) -> None:
    import_rows(session, "Flight", file("no,carrier,dest\n1,AA,JFK\n2,UA,\n"))

    found = values(session, "select no, carrier.name, dest.name from Flight order by no")
    assert found == [(1, "American", "Kennedy"), (2, "United", None)]


@pytest.mark.usefixtures("airlines", "airports")
def test_references_are_found_by_another_attribute_or_column(session: Session, file: Write) -> None:
    Airline = session.types["Airline"]
    import_rows(
        session,
        "Flight",
        file("no,line,to\n1,JetBlue,EWR\n"),
        mapping={"line": "carrier", "to": "dest_code"},
        references={"carrier": Airline.name, "dest": "to:faa"},
    )

    assert values(session, "select no, carrier.code, dest.name, dest_code from Flight") == [(1, "B6", "Newark", "EWR")]


@on_both
@pytest.mark.usefixtures("airlines")
def test_references_are_found_by_ids(session: Session, file: Write) -> None:
    ids = {each["code"]: each["id"] for each in session.query("Airline")}
    import_rows(session, "Flight", file(f"no,carrier\n1,{ids['AA']}\n2,UA\n"))
    import_rows(session, "Flight", file(f"no,carrier\n3,{ids['B6']}\n"), references={"carrier": "id"})

    assert values(session, "select no, carrier.code from Flight order by no") == [(1, "AA"), (2, "UA"), (3, "B6")]


@on_both
@pytest.mark.usefixtures("airports")
def test_references_are_found_by_several_attributes_through_references(session: Session, file: Write) -> None:
    weather = "origin,time,visib\nEWR,2013-01-01T10:00Z,1.5\nJFK,2013-01-01T10:00Z,2.5\nJFK,2013-01-01T11:00Z,3.5\n"
    import_rows(session, "Weather", file(weather, "weather.csv"))
    report = import_rows(
        session,
        "Flight",
        file("no,from,hour\n1,JFK,2013-01-01T10:00\n2,EWR,2013-01-01T11:00Z\n3,,\n"),
        references={"weather": "from,hour:origin.faa,time"},
        unresolved="null",
    )

    assert values(session, "select no, weather.visib from Flight order by no") == [(1, 2.5), (2, None), (3, None)]
    assert report.unresolved["weather"].count == 1
    assert report.unresolved["weather"].examples == [("EWR, 2013-01-01T11:00Z", 1)]


@pytest.mark.usefixtures("airlines")
def test_a_reference_that_names_nothing_is_an_error_of_its_row(session: Session, file: Write) -> None:
    error = failure(session, "Flight", file("no,carrier\n1,AA\n2,XX\n"))
    assert (error.line, error.column, error.value, error.expected) == (3, "carrier", "XX", "an existing Airline")

    report = import_rows(session, "Flight", file("no,carrier\n1,AA\n2,XX\n3,YY\n"), on_error="skip")
    assert (report.created, report.rejected) == (1, 2)


@pytest.mark.usefixtures("airlines")
def test_a_reference_that_names_nothing_is_left_empty_and_counted_where_that_is_asked(
    session: Session, file: Write
) -> None:
    path = file("no,carrier\n1,AA\n2,XX\n3,YY\n4,XX\n5,\n")
    report = import_rows(session, "Flight", path, unresolved="null", batch_size=2)

    unresolved = report.unresolved["carrier"]
    assert (unresolved.count, unresolved.target, unresolved.examples) == (3, "Airline", [("XX", 2), ("YY", 1)])
    assert report.created == 5
    assert session.query("Flight where carrier is None").count() == 4
    assert "3 rows name 2 unknown Airline: XX (2), YY (1)" in str(unresolved)
    assert report.summary()["unresolved"]["carrier"]["rows"] == 3


@pytest.mark.usefixtures("airports")
def test_a_name_that_several_have_is_an_error_also_where_unknown_ones_are_not(session: Session, file: Write) -> None:
    error = failure(session, "Flight", file("no,dest\n1,San Jose\n"), references={"dest": "name"}, unresolved="null")

    assert (error.line, error.column, error.value) == (2, "dest", "San Jose")
    assert "several" in error.expected


def test_a_target_without_a_natural_key_needs_one_said(session: Session, file: Write) -> None:
    with pytest.raises(InvalidReference, match=r"Weather.*has none"):
        import_rows(session, "Flight", file("no,weather\n1,EWR\n"))


@pytest.mark.usefixtures("airlines")
def test_references_are_looked_up_once_for_all_rows_of_a_batch(session: Session, file: Write) -> None:
    path = file("no,carrier\n" + "".join(f"{number},{code}\n" for number in range(100) for code in ("AA", "B6", "UA")))
    before = dict(session.transport.calls)
    import_rows(session, "Flight", path, batch_size=50)

    made = {name: count - before.get(name, 0) for name, count in session.transport.calls.items()}
    assert made["commit"] == 6
    assert made.get("stream", 0) + made.get("query", 0) == 1


@on_both
def test_rows_may_name_rows_of_the_same_file_before_and_after_them(session: Session, file: Write) -> None:
    text = "path,parent\n/a/b,/a\n/a,/\n/,\n/a/b/c,/a/b\n"
    report = import_rows(session, "Folder", file(text), batch_size=1)

    assert values(session, "select path, parent.path from Folder order by path") == [
        ("/", None),
        ("/a", "/"),
        ("/a/b", "/a"),
        ("/a/b/c", "/a/b"),
    ]
    assert report.created == 4
    assert report.unresolved == {}


def test_atomic_keeps_nothing_where_a_row_names_no_row_of_the_file(session: Session, file: Write) -> None:
    good = file("path,parent\n/a,/\n/,\n", "good.csv")
    error = failure(session, "Folder", file("path,parent\n/a,/\n/,\n/b,/c\n"), atomic=True)

    assert (error.line, error.value) == (4, "/c")
    assert session.query("Folder").count() == 0
    assert import_rows(session, "Folder", good, atomic=True).commits == 1
    assert values(session, "select path, parent.path from Folder order by path") == [("/", None), ("/a", "/")]


def test_a_row_that_names_no_row_of_the_file_is_told_at_the_end(session: Session, file: Write) -> None:
    error = failure(session, "Folder", file("path,parent\n/a,/\n"))
    assert (error.line, error.column, error.value) == (2, "parent", "/")

    report = import_rows(session, "Folder", file("path,parent\n/b,/\n"), unresolved="null")
    assert report.unresolved["parent"].examples == [("/", 1)]
    report = import_rows(session, "Folder", file("path,parent\nx,y\n"), on_error="skip")
    assert [problem.line for problem in report.problems] == [2]


# --- upserts ---


@on_both
@pytest.mark.usefixtures("airlines")
def test_rows_find_their_entities_by_key_and_change_only_what_differs(session: Session, file: Write) -> None:
    revisions = dict(values(session, "select code, revision from Airline"))
    path = file("code,name\nAA,American Airlines\nB6,JetBlue\nXX,New\n")
    report = import_rows(session, "Airline", path, key="code")

    assert (report.created, report.updated, report.unchanged) == (1, 1, 1)
    assert values(session, "select code, name from Airline order by code") == [
        ("AA", "American Airlines"),
        ("B6", "JetBlue"),
        ("UA", "United"),
        ("XX", "New"),
    ]
    now = dict(values(session, "select code, revision from Airline"))
    assert now["AA"] > revisions["AA"]
    assert now["B6"] == revisions["B6"]


@pytest.mark.usefixtures("airlines")
def test_importing_twice_by_key_makes_no_second_commit(session: Session, file: Write) -> None:
    path = file("code,name\nAA,American\nUA,United\n")

    report = import_rows(session, "Airline", path, key="code")
    assert (report.unchanged, report.commits, report.revision) == (2, 0, None)


@on_both
@pytest.mark.usefixtures("airports")
def test_a_key_may_have_several_parts_and_references(session: Session, file: Write) -> None:
    text = "origin,time,visib\nEWR,2013-01-01T10:00Z,1\nEWR,2013-01-01T11:00Z,2\nJFK,2013-01-01T10:00Z,3\n"
    import_rows(session, "Weather", file(text), key=["origin", "time"])
    report = import_rows(session, "Weather", file(text.replace(",3", ",4")), key="origin,time")

    assert (report.created, report.updated, report.unchanged) == (0, 1, 2)
    assert values(session, "select visib from Weather order by visib") == [(1.0,), (2.0,), (4.0,)]


@on_both
def test_rows_of_one_key_act_one_after_another(session: Session, file: Write) -> None:
    path = file("code,name\nAA,first\nB6,x\nAA,second\nAA,second\n")

    for size in (10, 1):
        report = import_rows(session, "Airline", path, key="code", batch_size=size)
        expected = (2, 1, 1) if size == 10 else (0, 2, 2)
        assert (report.created, report.updated, report.unchanged) == expected
        assert values(session, "select code, name from Airline order by code") == [("AA", "second"), ("B6", "x")]


@pytest.mark.usefixtures("airports")
def test_a_row_without_a_key_or_with_the_key_of_several_is_wrong(session: Session, file: Write) -> None:
    report = import_rows(
        session, "Airport", file("faa,name\nXXX,San Jose\nYYY,\nZZZ,Newark\n"), key="name", on_error="skip"
    )

    assert (report.updated, report.rejected) == (1, 2)
    assert [(problem.line, problem.column) for problem in report.problems] == [(2, "name"), (3, "name")]
    assert "several" in report.problems[0].expected


@pytest.mark.usefixtures("airlines")
def test_an_update_needs_only_the_columns_that_it_changes(session: Session, file: Write) -> None:
    import_rows(session, "Flight", file("no,dest_code\n1,EWR\n"))
    report = import_rows(session, "Flight", file("no,status\n1,done\n"), key="no")

    assert report.updated == 1
    assert values(session, "select no, dest_code, status from Flight") == [(1, "EWR", "done")]
    wrong = failure(session, "Flight", file("dest_code,status\nXXX,done\n"), key="dest_code")
    assert wrong.line == 2
    assert "requires" in wrong.expected


def test_options_of_text_are_used(session: Session, file: Write) -> None:
    path = file("AA;NA\nNA;American\n".encode("utf-16"))
    options = TextOptions(delimiter=";", encoding="utf-16", header=False, nulls=("NA",))
    report = import_rows(session, "Airline", path, mapping={"1": "code", "2": "name"}, options=options, on_error="skip")

    assert values(session, "select code, name from Airline") == [("AA", None)]
    assert report.problems[0].line == 2
