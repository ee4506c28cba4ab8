"""Export: what is written is read back; a file appears whole or not at all."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from recordroom.client.rows import TextOptions, export_rows, import_rows
from recordroom.client.session import Session
from recordroom.errors import ImportFailed, InvalidQuery, PermissionDenied
from recordroom.model.kinds import load_column

from .samples import SAMPLES, TEXTS, attribute_of, on_both

EXTENSIONS = ["csv", "csv.gz", "tsv", "jsonl", "jsonl.gz", "parquet", "arrow", "arrows"]


def fill(session: Session) -> None:
    """Entities of every kind, with every sample value of it, and with none."""
    airline = session.create("Airline", {"code": "AA", "name": "American"})
    longest = max(map(len, SAMPLES.values()))
    columns: dict[str, list[Any]] = {}
    for kind, raws in SAMPLES.items():
        if kind != "reference":
            values = load_column(raws, attribute_of(kind))
            columns["real" if kind == "number" else kind] = [*values, *[None] * (longest - len(values)), None]
    columns["texts"] = [TEXTS, [], *[None] * (longest - 1)]
    columns["numbers"] = [[0.5, 1.0], *[None] * longest]
    columns["dates"] = [columns["date"][:2], *[None] * longest]
    columns["uuids"] = [columns["uuid"][:2], *[None] * longest]
    columns["decimals"] = [columns["decimal"][:2], *[None] * longest]
    columns["reference"] = [airline, *[None] * longest]
    # Whole numbers within the range of their double.
    columns["integer"] = [value if value is None or abs(value) < 2**62 else 7 for value in columns["integer"]]
    session.create_many("Everything", columns)
    session.commit()


def everything(session: Session) -> list[dict[str, Any]]:
    table = session.query("Everything order by id").to_arrow()
    return table.drop_columns(["reference"]).to_pylist()


@pytest.mark.parametrize(
    ("places", "extension"),
    [
        *(("places_sqlite", extension) for extension in EXTENSIONS),
        ("places_postgres", "csv"),
        ("places_postgres", "parquet"),
    ],
    indirect=["places"],
)
def test_exporting_then_importing_gives_the_same_room(
    session: Session, other: Session, tmp_path: Path, extension: str
) -> None:
    fill(session)
    options = TextOptions(nulls=("\\null",))
    for name in ("Airline", "Everything"):
        written = export_rows(session.query(name), tmp_path / f"{name}.{extension}", options=options)
        import_rows(other, name, tmp_path / f"{name}.{extension}", options=options, ignore_extra=True)
        assert written.rows == session.query(name).count() == other.query(name).count()
        assert written.blurred == {}

    assert everything(other) == everything(session)
    again = import_rows(other, "Everything", tmp_path / f"Everything.{extension}", options=options, ignore_extra=True)
    assert (again.unchanged, again.commits) == (again.rows, 0)


def test_an_empty_text_that_csv_shows_as_missing_is_counted(session: Session, tmp_path: Path) -> None:
    session.create_many("Airline", {"code": ["A", "B", "C"], "name": ["", None, "c"]})
    session.commit()

    assert export_rows(session.query("Airline"), tmp_path / "rows.csv").blurred == {"name": 1}
    assert export_rows(session.query("Airline"), tmp_path / "rows.jsonl").blurred == {}


def test_the_selected_columns_are_written_in_their_order(session: Session, tmp_path: Path) -> None:
    fill(session)
    export_rows(
        session.query("select reference.code, integer, twice from Everything where reference is_not None"),
        tmp_path / "a.csv",
    )
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.reader(file))

    assert rows[0] == ["id", "reference.code", "integer", "twice"]
    assert rows[1][1:] == ["AA", "0", "0"]


def test_groups_are_written_without_ids(session: Session, tmp_path: Path) -> None:
    fill(session)
    export_rows(
        session.query("select choice, count() as rows from Everything group by choice order by choice"),
        tmp_path / "a.jsonl",
    )

    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [row["choice"] for row in rows if row["rows"] == 1] == ["open", "in progress"]


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_an_empty_result_has_its_columns(session: Session, tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"rows.{extension}"
    report = export_rows(session.query("Airline"), path)

    assert (report.rows, report.columns) == (0, ["id", "code", "name"])
    if extension == "csv":
        assert path.read_text() == "id,code,name\n"
    if extension == "csv.gz":
        assert gzip.decompress(path.read_bytes()) == b"id,code,name\n"
    if extension == "parquet":
        assert parquet.read_schema(path).types == [pa.string()] * 3


def test_a_stream_is_written_and_left_open(session: Session) -> None:
    session.create("Airline", {"code": "AA"})
    session.commit()
    stream = io.BytesIO()
    export_rows(session.query("select code from Airline"), stream, "jsonl")

    assert json.loads(stream.getvalue())["code"] == "AA"


def test_csv_is_written_as_the_options_say(session: Session, tmp_path: Path) -> None:
    session.create_many("Airline", {"code": ["Ä", "B"], "name": [None, "b"]})
    session.commit()
    options = TextOptions(delimiter=";", encoding="latin-1", header=False, nulls=("NA",))
    export_rows(
        session.query("select code, name from Airline order by code").where("code is_not 'x'"),
        tmp_path / "a.csv",
        options=options,
    )

    lines = (tmp_path / "a.csv").read_bytes().decode("latin-1").splitlines()
    assert sorted(line.split(";", 1)[1] for line in lines) == ["B;b", "Ä;NA"]


@on_both
def test_the_past_is_written_as_it_was(session: Session, tmp_path: Path) -> None:
    airline = session.create("Airline", {"code": "AA", "name": "old"})
    before = session.commit()
    airline["name"] = "new"
    session.commit()
    export_rows(session.at(before).query("select name from Airline"), tmp_path / "a.jsonl")

    assert json.loads((tmp_path / "a.jsonl").read_text())["name"] == "old"


def test_a_file_appears_whole_or_not_at_all(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.csv").write_text("before")
    session.create_many("Airline", {"code": ["A", "B"]})
    session.commit()

    def stop(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_rows(session.query("Airline"), tmp_path / "rows.csv", progress=stop)
    assert (tmp_path / "rows.csv").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["rows.csv"]


def test_a_target_that_cannot_be_written_is_named(session: Session, tmp_path: Path) -> None:
    with pytest.raises(PermissionDenied, match="writing"):
        export_rows(session.query("Airline"), tmp_path / "nothing" / "rows.csv")
    for name in ("rows.xlsx", "rows", "rows.csv.zip", "rows.parquet.gz"):
        with pytest.raises(ImportFailed):
            export_rows(session.query("Airline"), tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        "select upper(code), flights.no from Airline",
        "select code, flights.no as number from Airline",
        "select carrier.flights.no from Flight",
        "select flights.carrier.flights.no from Airline",
        "select friends.texts from Everything",
    ],
)
def test_a_path_with_many_values_that_no_row_can_have_is_refused(session: Session, tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidQuery, match=r"many members|several values|its own rows"):
        export_rows(session.query(text), tmp_path / "rows.csv")
    assert [*tmp_path.glob("*rows.csv*")] == []


def test_progress_tells_the_rows(session: Session, tmp_path: Path) -> None:
    session.create_many("Airline", {"code": list(map(str, range(30)))})
    session.commit()
    told: list[int] = []
    export_rows(session.query("Airline"), tmp_path / "a.csv", progress=lambda done, total: told.append(done))

    assert told == [30]
