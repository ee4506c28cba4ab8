"""Values that are not what their attribute takes: kind, range, text that is none, dates, choices."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.rows import import_rows
from recordroom.model.kinds import KINDS
from tests.acceptance.bad_input.conftest import Desk

NAN, INF = float("nan"), float("inf")
EARLY = dt.timezone(dt.timedelta(hours=5))

WRONG_KIND: dict[str, list[Any]] = {
    "text": [5, True, b"x", ["x"], {"a": 1}, object()],
    "long_text": [5, True, b"x", ["x"], object()],
    "integer": ["5", 1.5, True, Decimal(1), b"5", [5], object()],
    "number": ["5", True, 1j, b"5", [5], object()],
    "decimal": ["five", 1.5, True, b"5", [5], {"a": 1}, object()],
    "boolean": [1, 0, "true", b"x", [True], object()],
    "date": ["yesterday", "2026-02-30", 5, dt.datetime(2026, 1, 1, tzinfo=dt.UTC), [dt.date.today()], object()],
    "datetime": ["noon", 5, 1.5, dt.date(2026, 1, 1), object()],
    "choice": [1, True, b"open", ["open"], object()],
    "json": [object(), {1, 2}, b"x", {"a": object()}, Decimal(1)],
    "uuid": ["no uuid", 5, b"short", [1], object()],
    "hyperlink": ["no link", "http://a b", 5, object()],
    "color": ["red", "#12345", "#gggggg", 5, object()],
    "reference": ["no id", 5, b"short", True, [], {"id": 1}, object()],
    "collection": [5, "x", [5], ["x"], {"a": 1}, object()],
    "links": [5, "x", [5], ["x"], [None], object()],
    "mapping": [5, "x", ["x"], {"k": 5}, {"k": b"x"}, {5: "x"}, {None: "x"}, object()],
}

OUT_OF_RANGE: list[tuple[str, Any]] = [
    ("k_integer", 2**63),
    ("k_integer", -(2**63) - 1),
    ("k_integer", 10**400),
    ("few", 11),
    ("few", -1),
    ("k_number", NAN),
    ("k_number", INF),
    ("k_number", -INF),
    ("k_number", 10**400),
    ("share", 1.0001),
    ("share", -0.0001),
    ("k_decimal", Decimal("NaN")),
    ("k_decimal", Decimal("sNaN")),
    ("k_decimal", Decimal("Infinity")),
    ("k_decimal", "1e999999999"),
    ("k_decimal", "1e-999999999"),
    ("k_decimal", "1" * 36),
    ("price", "100.01"),
    ("price", "-0.01"),
    ("k_json", NAN),
    ("k_json", {"a": [INF]}),
    ("counts", {"a": 2**63}),
    ("short", "toolong"),
]

BROKEN_TEXTS = ["a\0b", "\0", "\ud800", "a\udfffb", "\udc00\ud800"]


def attribute_of(kind: str) -> str:
    return "kept" if kind == "collection" else f"k_{kind}"


def ways(desk: Desk, attribute: str, value: Any) -> dict[str, Any]:
    """Every way to give one value."""
    session = desk.session
    kept = attribute == "kept"
    type_name, entity = ("Place", desk.place) if kept else ("Thing", desk.thing)

    def then_commit(make: Any) -> None:
        make()
        session.commit()

    return {
        "create": lambda: then_commit(lambda: session.create(type_name, {"name": "x", attribute: value})),
        "set": lambda: then_commit(lambda: entity.__setitem__(attribute, value)),
        "update": lambda: then_commit(lambda: entity.update({attribute: value})),
        "create_many": lambda: then_commit(
            lambda: session.create_many(type_name, [{"name": "ok"}, {"name": "x", attribute: value}])
        ),
    }


def refused_every_way(desk: Desk, attribute: str, value: Any) -> None:
    for act in ways(desk, attribute, value).values():
        with desk.refuses(rr.InvalidValue) as caught:
            act()
        assert caught.value.attribute.partition("[")[0] == attribute
        assert caught.value.type == ("Place" if attribute == "kept" else "Thing")
        assert caught.value.expected
        assert attribute in str(caught.value)


# --- wrong kind ---


def test_every_kind_has_wrong_values_here() -> None:
    assert set(WRONG_KIND) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_of_the_wrong_kind(desk: Desk, kind: str) -> None:
    for value in WRONG_KIND[kind]:
        refused_every_way(desk, attribute_of(kind), value)


@pytest.mark.parametrize("value", ["one", b"x", {"a": "b"}, 5, [1], ["a", None]])
def test_what_is_no_list_for_a_multiple_value(desk: Desk, value: Any) -> None:
    refused_every_way(desk, "tags", value)


@pytest.mark.parametrize("name", ["id", "number", "entity_type", "revision", "created_at", "modified_by"])
def test_what_the_room_gives_cannot_be_set(desk: Desk, name: str) -> None:
    with desk.refuses(rr.ImmutableAttribute, type="Thing", attribute=name):
        desk.thing[name] = "x"


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("k_integer", "five"),
        ("k_date", "yesterday"),
        ("k_boolean", "maybe"),
        ("k_choice", "opne"),
        ("k_decimal", "x"),
        ("k_uuid", "x"),
        ("k_reference", "x"),
    ],
)
def test_a_value_of_the_wrong_kind_in_a_query(desk: Desk, attribute: str, value: Any) -> None:
    with desk.refuses(rr.InvalidQuery) as caught:
        desk.session.query(f"Thing where {attribute} is $value", value=value).all()
    assert "expected" in caught.value.reason
    with desk.refuses(rr.InvalidQuery) as caught:
        desk.session.query(f"Thing where {attribute} is '{value}'").all()
    assert (caught.value.line, caught.value.column) == (1, 13)


@pytest.mark.parametrize("attribute", ["k_integer", "k_number", "k_date", "k_boolean", "k_choice", "few", "k_decimal"])
def test_a_value_of_the_wrong_kind_in_a_file(desk: Desk, tmp_path: Path, attribute: str) -> None:
    file = tmp_path / "things.csv"
    file.write_text(f"name,{attribute}\nok,\nwrong,wide\n")
    with desk.refuses(rr.ImportFailed, line=3, column=attribute, value="wide") as caught:
        import_rows(desk.session, "Thing", file)
    assert caught.value.expected


# --- range ---


@pytest.mark.parametrize(("attribute", "value"), OUT_OF_RANGE, ids=str)
def test_a_number_out_of_range(desk: Desk, attribute: str, value: Any) -> None:
    refused_every_way(desk, attribute, value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400, NAN, INF])
def test_a_number_out_of_range_in_a_query(desk: Desk, value: Any) -> None:
    for attribute in ("k_integer", "k_number", "number"):
        if attribute == "k_number" and value in (2**63, -(2**63) - 1):
            continue
        with desk.refuses(rr.InvalidQuery):
            desk.session.query(f"Thing where {attribute} < $v", v=value).all()
    # What no number can be is no number to the grammar; what only an integer cannot be is refused by its kind.
    with desk.refuses(rr.QuerySyntaxError if value == 10**400 else rr.InvalidQuery):
        desk.session.query(f"Thing where k_integer < {value!r}").all()


@pytest.mark.parametrize("text", ["Thing limit 99999999999999999999", "Thing offset 99999999999999999999"])
def test_a_limit_out_of_range(desk: Desk, text: str) -> None:
    with desk.refuses(rr.QuerySyntaxError, line=1):
        desk.session.query(text).all()


@pytest.mark.parametrize("count", [-1, 2**63, 10**30])
def test_a_limit_out_of_range_of_results_searches_and_histories(desk: Desk, count: int) -> None:
    with desk.refuses(rr.InvalidQuery):
        desk.session.query("Thing").limit(count).all()
    with desk.refuses(rr.InvalidQuery):
        desk.session.query("Thing").offset(count).all()
    with desk.refuses(rr.InvalidQuery):
        desk.session.search("anchor", limit=count)
    with desk.refuses(rr.InvalidQuery):
        desk.session.search("anchor", offset=count)


@pytest.mark.parametrize("moment", [10**6, 2**63, 10**30])
def test_a_revision_that_never_was(desk: Desk, moment: int) -> None:
    with desk.refuses(rr.NotFound):
        desk.session.at(moment).query("Thing").all()


# --- text ---


@pytest.mark.parametrize("text", BROKEN_TEXTS, ids=ascii)
@pytest.mark.parametrize("attribute", ["k_text", "k_long_text", "k_choice", "k_hyperlink", "k_color", "code"])
def test_text_with_nul_or_lone_surrogates(desk: Desk, attribute: str, text: str) -> None:
    refused_every_way(desk, attribute, text)


@pytest.mark.parametrize("text", BROKEN_TEXTS, ids=ascii)
def test_text_with_nul_or_lone_surrogates_in_lists_and_mappings(desk: Desk, text: str) -> None:
    refused_every_way(desk, "tags", ["ok", text])
    refused_every_way(desk, "k_mapping", {text: "value"})
    refused_every_way(desk, "k_mapping", {"key": text})
    refused_every_way(desk, "counts", {text: 1})
    with desk.refuses(rr.InvalidValue, type="Thing"):
        desk.thing["k_mapping"][text] = "value"
    with desk.refuses(rr.InvalidValue, attribute="noted"):
        desk.thing["noted"].link(desk.place, text)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"], ids=ascii)
def test_lone_surrogates_in_json(desk: Desk, text: str) -> None:
    refused_every_way(desk, "k_json", text)
    refused_every_way(desk, "k_json", {"a": [text]})
    refused_every_way(desk, "k_json", {text: 1})


def test_nul_in_json_is_kept_or_refused_alike(desk: Desk) -> None:
    # JSON writes NUL as an escape, so it can be kept, and then comes back.
    thing = desk.session.create("Thing", {"name": "json", "k_json": {"a\0": ["\0"]}})
    desk.session.commit()
    with rr.connect(desk.where) as other:
        assert other.query("Thing where name is 'json'").one()["k_json"] == {"a\0": ["\0"]}
    desk.session.delete(thing)
    desk.session.commit()


def test_json_nested_too_deep(desk: Desk) -> None:
    value: Any = []
    for _ in range(10_000):
        value = [value]
    refused_every_way(desk, "k_json", value)


@pytest.mark.parametrize("text", BROKEN_TEXTS, ids=ascii)
def test_text_with_nul_or_lone_surrogates_in_questions(desk: Desk, text: str) -> None:
    asked = {
        "parameter": lambda: desk.session.query("Thing where name is $text", text=text).all(),
        "list": lambda: desk.session.query("Thing where name in $texts", texts=["ok", text]).all(),
        "contains": lambda: desk.session.query("Thing where name contains $text", text=text).all(),
        "like": lambda: desk.session.query("Thing where name like $text", text=text).all(),
        "literal": lambda: desk.session.query(f"Thing where name is '{text}'").all(),
        "matches": lambda: desk.session.query("Thing where name matches $text", text=text).all(),
        "mapping key": lambda: desk.session.query(f"Thing where k_mapping['{text}'] is 'x'").all(),
        "expression": lambda: desk.session.query(desk.session.types["Thing"].name == text).all(),
        "computed": lambda: desk.session.query(f"select concat(name, '{text}') as x from Thing").all(),
        "search": lambda: desk.session.search(text),
    }
    for ask in asked.values():
        with desk.refuses(rr.InvalidQuery):
            ask()


@pytest.mark.parametrize("text", BROKEN_TEXTS, ids=ascii)
def test_text_with_nul_or_lone_surrogates_around_a_commit(desk: Desk, text: str) -> None:
    desk.thing["k_text"] = "new"
    with desk.refuses(rr.InvalidValue):
        desk.session.commit(text)
    with desk.refuses(rr.InvalidValue):
        desk.session.publish(text, {"a": 1})
        desk.session.commit()
    with desk.refuses(rr.InvalidValue):
        desk.session.publish("topic", target=text)
        desk.session.commit()
    with desk.refuses(rr.InvalidValue):
        desk.session.revert(2, notes=text)
    with desk.refuses(rr.InvalidValue), rr.connect(desk.where, actor=text) as other:
        other.create("Thing", {"name": "x"})
        other.commit()
    with desk.refuses(rr.InvalidSchema):
        desk.session.databases.create("extra", label=text)


@pytest.mark.parametrize(
    "data", [object(), NAN, "\ud800", {1: object()}, b"x"], ids=["object", "nan", "text", "dict", "bytes"]
)
def test_an_event_that_is_no_json(desk: Desk, data: Any) -> None:
    with desk.refuses(rr.InvalidValue):
        desk.session.publish("topic", data)
        desk.session.commit()


# --- dates ---


@pytest.mark.parametrize(
    "value", ["0000-01-01", "-001-01-01", "10000-01-01", "2026-13-01", "2026-02-30", "", "1", dt.timedelta(1)], ids=str
)
def test_a_date_that_is_none(desk: Desk, value: Any) -> None:
    refused_every_way(desk, "k_date", value)


@pytest.mark.parametrize(
    "value",
    [
        dt.datetime(2026, 1, 1),
        "2026-01-01T10:00:00",
        "2026-01-01",
        dt.datetime(1, 1, 1, tzinfo=EARLY),
        dt.datetime(9999, 12, 31, 23, 59, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
        "0000-12-31T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2026-01-01T25:00:00Z",
    ],
    ids=str,
)
def test_a_moment_that_is_none_or_has_no_zone(desk: Desk, value: Any) -> None:
    refused_every_way(desk, "k_datetime", value)


def test_a_date_that_is_none_in_a_query(desk: Desk) -> None:
    for text in ("0000-01-01", "10000-01-01", "2026-02-30"):
        with desk.refuses(rr.InvalidQuery):
            desk.session.query(f"Thing where k_date < '{text}'").all()
        with desk.refuses(rr.InvalidQuery):
            desk.session.query(f"Thing where k_datetime < '{text}T00:00:00Z'").all()
    with desk.refuses(rr.InvalidQuery):
        desk.session.query(desk.session.types["Thing"].k_datetime < dt.datetime(1, 1, 1, tzinfo=EARLY)).all()


@pytest.mark.parametrize("moment", [dt.datetime(2026, 1, 1), "yesterday", 1.5, None, True, -1])
def test_a_moment_that_is_none_cannot_be_visited(desk: Desk, moment: Any) -> None:
    with desk.refuses(rr.InvalidValue, attribute="revision"):
        desk.session.at(moment)


# --- choices ---


@pytest.mark.parametrize("value", ["opne", "", "OPEN", "open ", "None"])
def test_a_choice_that_is_not_in_the_list(desk: Desk, value: str) -> None:
    refused_every_way(desk, "k_choice", value)
    with desk.refuses(rr.InvalidValue, type="Thing", attribute="k_choice", value=value) as caught:
        desk.thing["k_choice"] = value
    assert "'open'" in str(caught.value)
    assert "'done'" in str(caught.value)
