"""Rows from the command line: query, import, export, history, search."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest

import recordroom as rr

from .conftest import Cli

# --- query ---


def test_a_table_shows_what_stands_for_references(cli: Cli, room: str) -> None:
    outcome = cli("query", room, "Flight order by no")

    header, *rows = outcome.out.splitlines()
    assert header.split() == ["no", "carrier.name", "status", "delay", "on_time"]
    assert rows[0].split("  ")[0].strip() == "1"
    assert "American Airlines" in rows[0]
    assert "no" in rows[0].split()[-1]


def test_what_the_query_speaks_of_is_shown_first(cli: Cli, room: str) -> None:
    outcome = cli("query", room, 'Flight where carrier.code is "AA" order by delay')

    assert outcome.out.split()[:4] == ["no", "carrier.code", "delay", "carrier.name"]


def test_rows_left_out_are_counted_and_it_says_how_to_get_them(cli: Cli, room: str) -> None:
    few = cli("query", room, "Flight order by no", "--rows", "1")
    assert len(few.out.splitlines()) == 2
    assert "3 more rows" in few.err
    assert "--all" in few.err

    for arguments in (("--all",), ("--rows", "4"), ()):
        everything = cli("query", room, "Flight", *arguments)
        assert len(everything.out.splitlines()) == 5
        assert everything.err == ""
    limited = cli("query", room, "Flight limit 2")
    assert len(limited.out.splitlines()) == 3
    assert limited.err == ""
    assert cli("query", room, "Flight", "--rows", "0").code == 2


def test_json_is_one_line_for_each_row_and_has_all_of_them(cli: Cli, room: str) -> None:
    rows = cli("query", room, "Flight order by no", "--json", "--rows", "1").lines

    assert [row["no"] for row in rows] == [1, 2, 3, 4]
    assert rows[1]["on_time"] is True
    assert rows[3]["carrier"] is None
    assert len(rows[0]["id"]) == 36


def test_groups_and_counts(cli: Cli, room: str) -> None:
    grouped = cli("query", room, "select status, count() as n from Flight group by status order by n", "--json")
    assert grouped.lines == [{"status": "done", "n": 1}, {"status": "open", "n": 3}]
    assert cli("query", room, "Flight where delay < 0", "--count").out == "1\n"
    assert cli("query", room, "Flight", "--count", "--json").json == {"count": 4}
    nothing = cli("query", room, "Flight where no > 99")
    assert (nothing.code, nothing.out) == (0, "")
    assert "No rows" in nothing.err


def test_explain_shows_the_statement(cli: Cli, room: str) -> None:
    assert "SELECT" in cli("query", room, "Flight where no is 1", "--explain").out


def test_the_past_can_be_asked(cli: Cli, room: str) -> None:
    with rr.connect(room) as session:
        before = session.query("select max(revision) as last from Flight").one()["last"]
        flight = session.query("Flight where no is 1").one()
        flight["delay"] = 99.0
        session.commit(notes="later")

    assert (
        cli("query", room, "select delay from Flight where no is 1", "--at", before, "--json").lines[0]["delay"] == 2.5
    )
    assert cli("query", room, "select delay from Flight where no is 1", "--json").lines[0]["delay"] == 99.0
    assert cli("query", room, "Flight", "--at", "2100-01-01T00:00Z", "--count").out == "4\n"
    assert cli("query", room, "Flight", "--at", "yesterday").code == 2


def test_a_wrong_query_says_where(cli: Cli, room: str) -> None:
    outcome = cli("query", room, "Flight where carier.name is 3", "--json")

    assert outcome.code == 1
    details = json.loads(outcome.err.splitlines()[1])["error"]
    assert details["code"] == "unknown_attribute"
    assert details["details"]["suggestions"] == ["carrier"]
    assert cli("query", room, "Flight wher").code == 1


# --- import ---


def test_import_reports_what_it_did(cli: Cli, room: str, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("no,carrier\n10,AA\n11,XX\n12,XX\n")
    report = cli("import", room, "Flight", "more.csv", "--unresolved", "null", "--json", "--notes", "more of them")

    assert report.code == 0
    assert (report.json["rows"], report.json["created"], report.json["commits"]) == (3, 3, 1)
    assert report.json["unresolved"]["carrier"] == {
        "target": "Airline",
        "rows": 2,
        "values": 1,
        "complete": True,
        "examples": {"XX": 2},
    }
    assert report.err == ""
    words = cli("import", room, "Flight", "more.csv", "--unresolved", "null", "--key", "no")
    assert "3 Flight rows: 0 created, 3 unchanged" in words.out
    assert "2 rows name 1 unknown Airline: XX (2)" in words.out
    assert cli("history", room, "Flight", "10", "--json").lines[0]["notes"] == "more of them"


def test_import_takes_maps_references_and_options_of_text(cli: Cli, room: str, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_bytes("Nr|Gesellschaft|extra\n20|JetBlue Airways|ü\n21|NA|ü\n".encode("latin-1"))
    outcome = cli(
        *("import", room, "Flight", "more.txt", "--delimiter", "|", "--encoding", "latin-1", "--null", "NA"),
        *("--map", "Nr=no", "--map", "Gesellschaft=carrier", "--reference", "carrier=name", "--ignore-extra"),
    )

    assert outcome.code == 0, outcome.err
    rows = cli("query", room, "select no, carrier.code from Flight where no >= 20 order by no", "--json").lines
    assert [(row["no"], row["carrier.code"]) for row in rows] == [(20, "B6"), (21, None)]
    (tmp_path / "more.tsv").write_text("30\tAA\n")
    assert cli("import", room, "Flight", "more.tsv", "--no-header", "--map", "1=no", "--map", "2=carrier").code == 0


def test_a_wrong_row_stops_with_line_column_value_and_expected(cli: Cli, room: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.csv").write_text("no,status\n10,open\n11,opn\n")
    outcome = cli("import", room, "Flight", "wrong.csv", "--json")

    assert outcome.code == 1
    first, second = outcome.err.splitlines()
    assert "line 3, column 'status'" in first
    details = json.loads(second)["error"]["details"]
    assert (details["line"], details["column"], details["value"]) == (3, "status", "opn")
    assert details["report"]["created"] == 0
    assert cli("query", room, "Flight", "--count").out == "4\n"


def test_wrong_rows_are_skipped_into_a_file_of_rejects(cli: Cli, room: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.csv").write_text("no,status\n10,open\nx,opn\n")
    outcome = cli("import", room, "Flight", "wrong.csv", "--on-error", "skip", "--rejects", "rejects.csv")

    assert outcome.code == 0
    assert "1 wrong row; they are in rejects.csv" in outcome.out
    assert "line 3, column 'no'" in outcome.out
    with (tmp_path / "rejects.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["no"], row["line"], row["column"]) == ("x", "3", "no; status")
    assert cli("import", room, "Flight", "wrong.csv", "--rejects", "rejects.csv").code == 2


def test_atomic_imports_all_or_nothing(cli: Cli, room: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.csv").write_text("no\n10\n11\nx\n")

    assert cli("import", room, "Flight", "wrong.csv", "--batch-size", "1", "--atomic").code == 1
    assert cli("query", room, "Flight", "--count").out == "4\n"
    assert cli("import", room, "Flight", "wrong.csv", "--batch-size", "1").code == 1
    assert cli("query", room, "Flight", "--count").out == "6\n"
    assert cli("import", room, "Flight", "wrong.csv", "--batch-size", "0").code == 2


def test_import_reads_stdin(cli: Cli, room: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"no": 50}\n')))

    assert cli("import", room, "Flight", "-").code == 2
    assert cli("import", room, "Flight", "-", "--format", "jsonl").code == 0
    assert cli("query", room, "Flight where no is 50", "--count").out == "1\n"


@pytest.mark.parametrize("option", ["--map", "--reference"])
def test_pairs_must_be_pairs(cli: Cli, room: str, option: str) -> None:
    outcome = cli("import", room, "Flight", "flights.csv", option, "no")

    assert outcome.code == 2
    assert option in outcome.err


# --- export ---


def test_export_writes_a_file_that_import_reads(cli: Cli, room: str, tmp_path: Path) -> None:
    for name in ("out.csv", "out.jsonl", "out.parquet", "out.arrow"):
        written = cli("export", room, "Flight", name, "--json")
        assert written.code == 0, written.err
        assert (written.json["rows"], written.json["columns"][0]) == (4, "id")
        assert "4 unchanged" in cli("import", room, "Flight", name).out
    said = cli("export", room, "Flight", "out.csv")
    assert "4 rows to out.csv (csv)" in said.out


def test_export_writes_to_stdout(cli: Cli, room: str) -> None:
    outcome = cli(
        "export", room, "select code, name from Airline order by code", "-", "--format", "csv", "--delimiter", ";"
    )

    assert outcome.out.splitlines()[0] == "id;code;name"
    assert outcome.out.splitlines()[1].endswith(";AA;American Airlines")
    assert cli("export", room, "Airline", "-").code == 2


def test_export_says_what_csv_cannot_tell_apart(cli: Cli, room: str) -> None:
    with rr.connect(room) as session:
        session.create_many("Airline", {"code": ["X", "Y"], "name": ["", None]})
        session.commit()

    assert "name: 1 empty text" in cli("export", room, "Airline", "out.csv").err
    assert cli("export", room, "Airline", "out.csv", "--null", "\\N").err == ""


def test_export_of_an_unknown_format_is_an_error(cli: Cli, room: str) -> None:
    outcome = cli("export", room, "Airline", "out.xlsx")

    assert outcome.code == 1
    assert "format" in outcome.err


# --- history and search ---


def test_history_finds_a_record_by_id_or_key_and_shows_its_changes(cli: Cli, room: str) -> None:
    with rr.connect(room) as session:
        airline = session.query('Airline where code is "UA"').one()
        identity = airline["id"]
        airline["name"] = "United Air Lines"
        session.commit(notes="full name")
        flight = session.query("Flight where no is 1").one()
        flight["notes"]["gate"] = "B7"
        flight["carrier"] = airline
        session.commit()

    shown = cli("history", room, "Airline", "UA")
    assert "full name" in shown.out
    assert "United Air Lines" in shown.out
    by_id = cli("history", room, "Airline", identity, "--attribute", "name", "--json").lines
    assert [(line["verb"], line["before"], line["after"]) for line in by_id] == [
        ("update", "United", "United Air Lines"),
        ("create", None, "United"),
    ]
    of_flight = cli("history", room, "Flight", "1")
    assert "notes[gate]" in of_flight.out
    assert "United Air Lines" in of_flight.out
    [carrier, *_] = cli("history", room, "Flight", "1", "--attribute", "carrier", "--json").lines
    assert carrier["after"] == identity
    assert "more changes" in cli("history", room, "Airline", "UA", "--limit", "1").err


def test_history_of_what_is_not_there_is_an_error(cli: Cli, room: str) -> None:
    missing = cli("history", room, "Airline", "XX")
    assert missing.code == 1
    assert "There is no Airline with id or code or name 'XX'" in missing.err
    assert cli("history", room, "Airline", "01890a5d-ac96-774b-bcce-b302099a8057").code == 1
    with rr.connect(room) as session:
        session.create_many("Airline", {"code": ["X", "Y"], "name": ["Same", "Same"]})
        session.commit()
    several = cli("history", room, "Airline", "Same")
    assert several.code == 1
    assert "several" in several.err


def test_search_finds_words(cli: Cli, room: str) -> None:
    found = cli("search", room, "air*", "--json").lines
    assert {line["type"] for line in found} == {"Airline"}
    assert len(found) == 2
    assert "[Airways]" in cli("search", room, "airways").out
    more = cli("search", room, "air*", "--limit", "1")
    assert "and more" in more.err
    assert cli("search", room, "zeppelin").out == ""
    assert cli("search", room, "air*", "--type", "Flight", "--json").lines == []
    assert cli("search", room, "air*", "--type", "Airlin").code == 1


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are POSIX")
def test_what_may_not_be_read_is_named(cli: Cli, room: str, tmp_path: Path) -> None:
    outcome = cli("import", room, "Flight", tmp_path)

    assert outcome.code == 1
    assert str(tmp_path) in outcome.err
