"""Cells: what files have becomes what attributes keep; every kind, through every format, and back."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from recordroom.client.frames import array_of
from recordroom.client.rows.cells import Converter, cell_text
from recordroom.client.rows.readers import Cells, ExactFloat
from recordroom.client.rows.writers import _json_of, _shown, _text_of
from recordroom.model.kinds import KINDS, dump_multi, wrong_at
from recordroom.model.schema import Attribute

from .samples import SAMPLES, attribute_of


def converted(cells: Cells, column: Any, attribute: Attribute, nulls: tuple[str, ...] = ()) -> list[Any]:
    raws, wrong = Converter(attribute, cells, nulls)(column)
    assert wrong == {}
    return raws


def columns() -> list[tuple[Attribute, list[Any]]]:
    single = [(attribute_of(kind), [*raws, None, raws[0]]) for kind, raws in SAMPLES.items()]
    multi = []
    for kind, raws in SAMPLES.items():
        if kind not in ("reference", "json"):
            items = [KINDS[kind].load(raw) for raw in raws]
            lists = [dump_multi(KINDS[kind], items), dump_multi(KINDS[kind], items[:1]), "[]", None]
            multi.append((attribute_of(kind, multi=True), lists))
    return single + multi


def name_of(value: Any) -> str:
    return f"{value.kind}{'s' if value.multi else ''}" if isinstance(value, Attribute) else ""


every_kind = pytest.mark.parametrize(("attribute", "raws"), columns(), ids=name_of)


@every_kind
def test_what_csv_shows_is_read_back(attribute: Attribute, raws: list[Any]) -> None:
    texts = _shown(raws, _text_of(attribute), "<missing>")

    assert converted("text", list(map(str, texts)), attribute, ("<missing>",)) == raws


@every_kind
def test_what_json_shows_is_read_back(attribute: Attribute, raws: list[Any]) -> None:
    import msgspec

    text = msgspec.json.encode(_shown(raws, _json_of(attribute), None))

    assert converted("json", json.loads(text, parse_float=ExactFloat), attribute) == raws


@every_kind
def test_what_arrow_shows_is_read_back(attribute: Attribute, raws: list[Any]) -> None:
    array = array_of(raws, attribute)

    assert converted("arrow", array, attribute) == raws
    assert converted("arrow", array.slice(1), attribute) == raws[1:]


def wrong(cells: Cells, column: Any, **attribute: Any) -> dict[int, str]:
    raws, found = Converter(Attribute(name="value", **attribute), cells, ("",))(column)
    assert all(raws[position] is None for position in found)
    return dict(found)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "1.5"),
        ("integer", str(2**63)),
        ("integer", "ten"),
        ("number", "nan"),
        ("number", "-inf"),
        ("decimal", "1e40"),
        ("boolean", "maybe"),
        ("date", "2013-02-30"),
        ("date", "0000-01-01"),
        ("datetime", "2013-01-01T25:00"),
        ("json", "{"),
        ("uuid", "123"),
        ("hyperlink", "example"),
        ("color", "red"),
        ("text", "a\0b"),
        ("text", "\ud800"),
    ],
)
def test_a_wrong_text_is_told_by_position_with_what_was_expected(kind: str, text: str) -> None:
    found = wrong("text", ["", text, "", text], kind=kind)

    assert list(found) == [1, 3]
    assert found[1]


def test_limits_and_choices_are_checked_in_every_form() -> None:
    assert list(wrong("text", ["5", "11"], kind="integer", max=10)) == [1]
    assert list(wrong("json", [5, 11], kind="integer", max=10)) == [1]
    assert list(wrong("arrow", pa.array([5, 11]), kind="integer", max=10)) == [1]
    assert wrong("text", ["open", "Open"], kind="choice", choices=("open",)) == {1: "one of 'open'"}
    assert list(wrong("arrow", pa.array(["open", "Open"]).dictionary_encode(), kind="choice", choices=("open",))) == [1]


def test_only_the_texts_named_as_null_are_missing() -> None:
    attribute = Attribute(name="value", kind="text")

    assert converted("text", ["NA", "", "x"], attribute, ("NA", "")) == [None, None, "x"]
    assert converted("text", ["NA", "", "x"], attribute, ("",)) == ["NA", None, "x"]
    assert converted("json", ["NA", "", None], attribute) == ["NA", "", None]


def test_a_moment_without_a_zone_is_utc() -> None:
    attribute = Attribute(name="value", kind="datetime")
    noon = dt.datetime(2013, 1, 1, 12)

    for cells, column in [
        ("text", ["2013-01-01T12:00:00"]),
        ("json", ["2013-01-01 12:00"]),
        ("arrow", pa.array([noon], pa.timestamp("s"))),
        ("arrow", pa.array([noon], pa.timestamp("ns"))),
        ("arrow", pa.array(["2013-01-01T13:00:00+01:00"])),
    ]:
        assert converted(cells, column, attribute) == [1_357_041_600_000_000]  # type: ignore[arg-type]


def test_moments_finer_than_microseconds_are_wrong_not_cut() -> None:
    array = pa.array([1_000, 1_001, None], pa.timestamp("ns", "UTC"))

    assert wrong("arrow", array, kind="datetime") == {1: "a datetime with microseconds at most"}


def test_moments_out_of_range_are_wrong() -> None:
    assert list(wrong("arrow", pa.array([0, 10**12], pa.timestamp("s", "UTC")), kind="datetime")) == [1]


def test_arrow_columns_of_other_types_are_read_where_nothing_is_lost() -> None:
    def raws(array: pa.Array, kind: str) -> list[Any]:
        return converted("arrow", array, attribute_of(kind))

    assert raws(pa.array([1, 2], pa.uint8()), "integer") == [1, 2]
    assert raws(pa.array([1, None], pa.int32()), "number") == [1.0, None]
    assert raws(pa.array([0.5], pa.float32()), "number") == [0.5]
    assert raws(pa.array(["5", " 6 "]), "integer") == [5, 6]
    assert raws(pa.array(["a"], pa.large_string()), "text") == ["a"]
    assert raws(pa.array([Decimal("1.50")]), "decimal") == ["1.5"]
    assert raws(pa.array([0.1]), "decimal") == ["0.1"]
    assert raws(pa.array([{"b": 1, "a": [None]}]), "json") == ['{"a":[null],"b":1}']
    assert list(wrong("arrow", pa.array([1.5]), kind="integer")) == [0]
    assert list(wrong("arrow", pa.array([2**63], pa.uint64()), kind="integer")) == [0]
    assert list(wrong("arrow", pa.array([float("nan")]), kind="number")) == [0]


def test_a_decimal_gets_every_digit_that_json_has() -> None:
    column = [ExactFloat("0.12345678901234567890123"), 7, "1.50"]

    assert converted("json", column, attribute_of("decimal")) == ["0.12345678901234567890123", "7", "1.5"]


def test_a_list_is_json_in_text_and_its_items_are_checked() -> None:
    attribute = attribute_of("integer", multi=True)

    assert converted("text", ["[1, 2]", '["3"]'], attribute) == ["[1,2]", "[3]"]
    assert list(wrong("text", ["[1]", "1", "[1.5]", "[null]", "{"], kind="integer", multi=True)) == [1, 2, 3, 4]


def test_equal_texts_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = []
    parse = KINDS["integer"].parse
    monkeypatch.setattr(
        KINDS["integer"], "parse", lambda text, attribute: parsed.append(text) or parse(text, attribute)
    )
    converter = Converter(attribute_of("integer"), "text")

    assert converter(["1", "2"] * 1000)[0] == [1, 2] * 1000
    assert converter(["2", "1"])[0] == [2, 1]
    assert sorted(parsed) == ["1", "2"]


@every_kind
def test_raw_columns_of_the_samples_are_right(attribute: Attribute, raws: list[Any]) -> None:
    assert wrong_at(raws, attribute) is None


def test_cells_as_text_keep_what_was_there() -> None:
    assert [cell_text(each) for each in [None, "x", 1, True, {"a": [1]}, ExactFloat("1.10"), Decimal("1.0")]] == [
        "",
        "x",
        "1",
        "true",
        '{"a":[1]}',
        "1.10",
        "1.0",
    ]
