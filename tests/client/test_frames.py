"""Frames: results as Arrow, polars and pandas with types from the schema, and frames as columns."""

from __future__ import annotations

import datetime as dt
import importlib
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import recordroom as rr
from recordroom.client.frames import array_of, batches, columns_of, to_arrow, to_pandas, to_polars
from recordroom.client.session import Session
from recordroom.errors import InvalidQuery, InvalidValue, MissingExtra
from recordroom.model.ids import new_id, show_id
from recordroom.model.schema import Attribute
from tests.client.rows.samples import SCHEMA

NOON = dt.datetime(2013, 1, 1, 12, 30, 0, 5, tzinfo=dt.UTC)
IDENTITY = uuid.uuid4()
VALUES: dict[str, Any] = {
    "text": "a",
    "integer": 2**60,
    "real": 0.5,
    "decimal": Decimal("12.50"),
    "boolean": True,
    "date": dt.date(2013, 1, 1),
    "datetime": NOON,
    "choice": "in progress",
    "json": {"a": [1]},
    "uuid": IDENTITY,
    "texts": ["x", "y"],
    "numbers": [1.0, 2.5],
    "dates": [dt.date(2013, 1, 1)],
    "uuids": [IDENTITY],
    "decimals": [Decimal("1.5")],
}
DECIMAL = pa.decimal256(65, 30)
TYPES: dict[str, pa.DataType] = {
    "id": pa.string(),
    "text": pa.string(),
    "integer": pa.int64(),
    "real": pa.float64(),
    "decimal": DECIMAL,
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us", "UTC"),
    "choice": pa.string(),
    "json": pa.string(),
    "uuid": pa.string(),
    "reference": pa.string(),
    "texts": pa.list_(pa.string()),
    "numbers": pa.list_(pa.float64()),
    "dates": pa.list_(pa.date32()),
    "uuids": pa.list_(pa.string()),
    "decimals": pa.list_(DECIMAL),
    "twice": pa.int64(),
}
SELECT = f"select {', '.join(name for name in TYPES if name != 'id')} from Everything order by id"


@pytest.fixture
def session(places_sqlite: Callable[[str], str]) -> Iterator[Session]:
    with rr.connect(places_sqlite("frames")) as session:
        session.apply_schema(SCHEMA)
        yield session


@pytest.fixture
def filled(session: Session) -> Session:
    """One entity with every value, one with none."""
    airline = session.create("Airline", {"code": "AA", "name": "American"})
    session.create("Everything", {**VALUES, "reference": airline})
    session.create("Everything")
    session.commit()
    return session


# --- out ---


def test_types_come_from_the_schema_also_where_there_are_no_rows(session: Session) -> None:
    empty = to_arrow(session.query(SELECT))

    assert empty.num_rows == 0
    assert dict(zip(empty.schema.names, empty.schema.types, strict=True)) == TYPES
    assert list(batches(session.query(SELECT))) == []
    assert to_polars(session.query("select text, datetime from Everything")).schema == {
        "id": pl.String(),
        "text": pl.String(),
        "datetime": pl.Datetime("us", "UTC"),
    }


def test_an_arrow_table_has_every_value_and_every_missing_one(filled: Session) -> None:
    table = to_arrow(filled.query(SELECT))
    full, none = table.to_pylist()

    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == TYPES
    expected = VALUES | {
        "json": '{"a":[1]}',
        "uuid": str(IDENTITY),
        "uuids": [str(IDENTITY)],
        "twice": 2**61,
        "reference": filled.query("Airline").one()["id"],
    }
    assert {name: full[name] for name in expected} == expected
    assert {value for name, value in none.items() if name != "id"} == {None}
    assert [full["id"], none["id"]] == [each["id"] for each in filled.query("Everything order by id")]


def test_a_query_without_select_has_id_and_attributes_but_no_counters(filled: Session) -> None:
    assert to_arrow(filled.query("Airline")).column_names == ["id", "code", "name"]
    assert to_arrow(filled.query("select number, revision from Airline")).column_names == ["id", "number", "revision"]


def test_the_type_of_each_row_is_told_in_a_hierarchy(session: Session) -> None:
    session.create("Stone", {"name": "basalt"})
    session.create("Plant", {"name": "fern"})
    session.commit()

    assert to_arrow(session.query("Thing order by name")).drop_columns(["id"]).to_pylist() == [
        {"entity_type": "Stone", "name": "basalt"},
        {"entity_type": "Plant", "name": "fern"},
    ]


def test_paths_groups_and_computed_values_are_columns(filled: Session) -> None:
    paths = to_arrow(filled.query("select reference.code, text from Everything order by id"))
    assert paths.column_names == ["id", "reference.code", "text"]
    assert paths["reference.code"].to_pylist() == ["AA", None]
    groups = to_arrow(
        filled.query(
            "select choice, count() as n, sum(integer) as s, avg(real) as a from Everything group by choice order by n"
        )
    )
    assert groups.schema.types == [pa.string(), pa.int64(), pa.int64(), pa.float64()]
    assert {row["choice"]: row["s"] for row in groups.to_pylist()} == {"in progress": 2**60, None: None}
    with pytest.raises(InvalidQuery, match="many members"):
        to_arrow(filled.query("select upper(code), flights.no from Airline"))


def test_members_are_lists_and_mappings_are_json(session: Session) -> None:
    airlines = [session.create("Airline", {"code": code}) for code in ("AA", "BB")]
    flights = [session.create("Flight", {"no": no, "carrier": airlines[0]}) for no in (1, 2)]
    session.commit()

    table = to_arrow(session.query("select code, flights, flights.no, flights.dest_code from Airline order by code"))

    assert table.schema.types == [pa.string(), pa.string(), *map(pa.list_, [pa.string(), pa.int64(), pa.string()])]
    assert table["flights"].to_pylist() == [[each["id"] for each in flights], []]
    assert table["flights.no"].to_pylist() == [[1, 2], []]
    assert table["flights.dest_code"].to_pylist() == [[], []]
    assert session.query("select flights.no from Airline").to_polars().columns == ["id", "flights.no"]


def test_members_are_those_of_the_moment_of_their_page(session: Session) -> None:
    airlines = [session.create("Airline", {"code": f"{number}"}) for number in range(4)]
    for airline in airlines:
        session.create("Flight", {"no": 1, "carrier": airline})
    session.commit()

    stream = batches(session.query("select flights.no from Airline order by code"), 2)
    first = next(stream)
    session.create("Flight", {"no": 2, "carrier": airlines[3]})
    session.commit()
    rest = list(stream)

    assert [lists for batch in (first, *rest) for lists in batch["flights.no"].to_pylist()] == [[1]] * 4
    assert session.query("select flights.no from Airline order by code desc").to_arrow()["flights.no"][0].as_py() == [
        1,
        2,
    ]


def test_batches_have_at_most_the_size_asked_for_and_are_of_one_snapshot(session: Session) -> None:
    session.create_many("Airline", {"code": [f"{number:04}" for number in range(250)]})
    session.commit()
    before = session.round_trips
    stream = batches(session.query("Airline order by code"), 100)
    first = next(stream)
    session.create("Airline", {"code": "9999"})
    session.commit()
    rest = list(stream)

    assert [batch.num_rows for batch in (first, *rest)] == [100, 100, 50]
    assert rest[-1]["code"].to_pylist()[-1] == "0249"
    assert session.round_trips - before == 2


def test_limit_and_offset_hold_across_batches(session: Session) -> None:
    session.create_many("Airline", {"code": [f"{number:04}" for number in range(50)]})
    session.commit()

    found = [batch["code"].to_pylist() for batch in batches(session.query("Airline order by code")[5:30], 10)]
    assert [code for batch in found for code in batch] == [f"{number:04}" for number in range(5, 30)]


def test_the_past_is_framed_as_it_was(filled: Session) -> None:
    airline = filled.query("Airline").one()
    before = filled.query("select max(revision) as r from Airline").one()["r"]
    airline["name"] = "changed"
    filled.commit()

    assert to_arrow(filled.at(before).query("Airline"))["name"].to_pylist() == ["American"]
    assert to_arrow(filled.query("Airline"))["name"].to_pylist() == ["changed"]


def test_polars_has_the_values(filled: Session) -> None:
    frame = to_polars(filled.query(SELECT))

    assert frame["datetime"].to_list() == [NOON, None]
    assert frame["decimal"].to_list() == [Decimal("12.5"), None]
    assert frame.schema["decimal"] == pl.Decimal(38, 18)
    assert frame["decimals"].to_list() == [[Decimal("1.5")], None]
    assert frame["dates"].to_list() == [[dt.date(2013, 1, 1)], None]
    assert frame["boolean"].to_list() == [True, None]


@pytest.mark.parametrize(
    ("values", "scale"), [(["1." + "1" * 30], 30), (["1" + "0" * 30, "0.5"], 1), (["1" * 20 + "." + "1" * 18], 18)]
)
def test_decimals_of_polars_have_the_scale_that_they_need(session: Session, values: list[str], scale: int) -> None:
    session.create_many("Everything", {"decimal": values})
    session.commit()
    column = to_polars(session.query("select decimal from Everything order by id"))["decimal"]

    assert column.dtype == pl.Decimal(38, scale)
    assert column.to_list() == [Decimal(value) for value in values]


def test_decimals_that_polars_cannot_keep_are_named(session: Session) -> None:
    session.create_many("Everything", {"decimal": ["1" * 35, "0." + "1" * 30]})
    session.commit()

    with pytest.raises(InvalidValue, match="38 digits") as caught:
        to_polars(session.query("select decimal from Everything"))
    assert caught.value.attribute == "decimal"
    assert len(to_arrow(session.query("select decimal from Everything"))) == 2


def test_pandas_has_types_that_do_not_depend_on_what_is_missing(filled: Session) -> None:
    for query in (SELECT, "select integer, boolean, datetime from Everything where text is 'a'"):
        frame = to_pandas(filled.query(query))

        assert frame["integer"].dtype == pd.Int64Dtype()
        assert frame["boolean"].dtype == pd.BooleanDtype()
        assert str(frame["datetime"].dtype) == "datetime64[us, UTC]"
        assert frame["integer"][0] == 2**60


def test_ids_are_laid_out_in_bulk_as_one_by_one() -> None:
    ids = [new_id() for _ in range(100)]
    attribute = Attribute(name="id", kind="uuid")

    assert array_of(ids, attribute).to_pylist() == list(map(show_id, ids))
    assert array_of([None, *ids[:2], None], attribute).to_pylist() == [None, show_id(ids[0]), show_id(ids[1]), None]
    assert array_of([], attribute).to_pylist() == []


# --- in ---


@pytest.mark.parametrize(
    "make",
    [
        pa.table,
        pa.record_batch,
        pl.DataFrame,
        pd.DataFrame,
        dict,
        lambda columns: {name: pd.Series(values) for name, values in columns.items()},
        lambda columns: {name: pl.Series(values) for name, values in columns.items()},
        lambda columns: {name: pa.array(values) for name, values in columns.items()},
        lambda columns: {name: tuple(values) for name, values in columns.items()},
        lambda columns: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
    ],
    ids=["table", "batch", "polars", "pandas", "dict", "pandas-columns", "polars-columns", "arrays", "tuples", "rows"],
)
def test_every_frame_becomes_columns_of_python_values(make: Callable[[dict[str, list[Any]]], Any]) -> None:
    columns = {
        "code": ["AA", None, "B6"],
        "when": [NOON, None, NOON],
        "on": [True, False, True],
        "real": [0.5, 1.5, 2.5],
    }

    found = columns_of(make(columns))
    assert found == columns
    assert all(
        type(value) in (str, bool, float, dt.datetime, type(None)) for column in found.values() for value in column
    )


def test_nan_and_nat_of_pandas_are_missing_and_whole_floats_are_integers_where_asked() -> None:
    frame = pd.DataFrame(
        {"no": [1, None], "real": [0.5, float("nan")], "when": pd.to_datetime(["2013-01-01", None], utc=True)}
    )
    attributes = {"no": Attribute(name="no", kind="integer"), "real": Attribute(name="real", kind="number")}

    found = columns_of(frame, attributes)
    assert found["no"] == [1, None]
    assert type(found["no"][0]) is int
    assert found["real"] == [0.5, None]
    assert found["when"] == [dt.datetime(2013, 1, 1, tzinfo=dt.UTC), None]
    assert columns_of(frame)["no"] == [1.0, None]
    assert columns_of(pd.DataFrame({"no": [1.5, None]}), attributes)["no"] == [1.5, None]
    assert columns_of(pd.DataFrame({"no": pd.array([1, None], dtype="Int64")}))["no"] == [1, None]


def test_nan_of_other_libraries_is_a_value() -> None:
    found = columns_of(pl.DataFrame({"real": [float("nan"), None]}))["real"]

    assert found[0] != found[0]
    assert found[1] is None


def test_rows_may_lack_columns() -> None:
    assert columns_of([{"a": 1}, {"b": 2}]) == {"a": [1, None], "b": [None, 2]}
    assert columns_of([]) == {}
    assert columns_of({}) == {}


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"a": [1], "b": [1, 2]}, "different lengths"),
        ({"a": "text"}, "a list of values"),
        ({"a": 5}, "a list of values"),
        ([1, 2], "a mapping"),
        ("text", "A frame is"),
        (5, "A frame is"),
        (pd.DataFrame({"when": pd.to_datetime(["2013-01-01T00:00:00.000000001"])}), "microseconds"),
    ],
)
def test_what_is_no_frame_is_refused(frame: Any, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        columns_of(frame)


def test_frames_make_entities(session: Session) -> None:
    session.create_many("Airline", pl.DataFrame({"code": ["A", "B"], "name": ["a", None]}))
    session.create_many("Flight", pd.DataFrame({"no": [1, 2], "dest_code": ["x", None]}))
    session.commit()

    assert to_arrow(session.query("Airline order by code"))["name"].to_pylist() == ["a", None]
    assert to_arrow(session.query("Flight order by no"))["dest_code"].to_pylist() == ["x", None]


def test_a_library_that_is_not_installed_is_named(filled: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def missing(name: str, package: str | None = None) -> Any:
        if name.startswith("polars"):
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"needs polars: pip install 'recordroom\[frames\]'"):
        to_polars(filled.query("Airline"))


def test_importing_frames_imports_no_library() -> None:
    code = "import sys, recordroom.client.frames, recordroom.client.rows; sys.exit(str(sorted({'pyarrow', 'polars', 'pandas', 'numpy'} & set(sys.modules))) if {'pyarrow', 'polars', 'pandas', 'numpy'} & set(sys.modules) else 0)"

    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
