"""Arguments that no verb can do anything with, and values whose message could not be made of all of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.session import Session
from tests.acceptance.bad_input.conftest import Desk, named

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(
    ("name", "value"),
    [("where", 5), ("where", b"x"), ("where", ["x"]), ("mode", "rw"), ("mode", 1), ("wait", "x"), ("wait", -1)],
)
def test_connect_refuses_what_is_no_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rr.InvalidValue) as caught:
        rr.connect(**{"where": "a.room", name: value})
    named(caught.value, rr.InvalidValue, attribute=name, value=value)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("where", ["htp://host/room", "mysql://ada:secret@host/db", "file:///tmp/a.room"])
def test_an_address_of_another_kind_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(rr.InvalidValue, match="expected a folder, postgresql://… or http") as caught:
        rr.connect(where)
    assert "secret" not in str(caught.value.facts)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "",
        5,
        None,
        b"\xff",
        "[" * 100_000,
        "[" * 500 + "]" * 500,
        '{"__entity_type__": "Thing", "id": "x"}',
        f'{{"__entity_type__": 5, "id": "{ID}"}}',
        f'{{"__entity_type__": ["Thing"], "id": "{ID}"}}',
        '{"__type__": "date", "value": "2026-99-99"}',
        '{"__type__": "decimal", "value": "much"}',
        '{"__type__": ["date"], "value": 1}',
    ],
    ids=lambda text: f"{str(text)[:26]} {len(str(text))}",
)
def test_a_text_that_encode_cannot_have_made(desk: Desk, text: Any) -> None:
    with desk.refuses(rr.InvalidValue, attribute="decode", value=text):
        desk.session.decode(text)


def test_a_text_with_names_and_values_that_do_not_fit(desk: Desk) -> None:
    with desk.refuses(rr.UnknownType, name="Palce"):
        desk.session.decode(f'{{"__entity_type__": "Palce", "id": "{ID}"}}')
    with desk.refuses(rr.InvalidValue, attribute="few", value=99):
        desk.session.decode(f'{{"__entity_type__": "Thing", "id": "{ID}", "few": 99}}')


def test_what_json_does_not_have_is_not_encoded(desk: Desk) -> None:
    endless: list[Any] = []
    endless.append(endless)
    for data in (object(), endless, {"a": object()}):
        with desk.refuses(rr.InvalidValue, attribute="encode"):
            desk.session.encode(data)


def test_a_value_for_what_a_query_does_not_ask_is_refused(desk: Desk) -> None:
    ask = desk.session.query
    with desk.refuses(rr.InvalidQuery, name="limit") as caught:
        ask("Thing", limit=5)
    assert "$limit" in str(caught.value)
    with desk.refuses(rr.InvalidQuery, name="other"):
        ask("Thing where name is $name", name="x", other=1)
    with desk.refuses(rr.InvalidQuery, name="other"):
        ask("Thing").where("name is $name", name="x", other=1)
    used = ask(
        "Thing where few in ($a, 1, $b) and place in (Place where size > $c) and next has (name is $d)"
        " and few between $e and 9 order by coalesce(few, $f)",
        a=1, b=[2, 3], c=1, d="x", e=1, f=0,
    )  # fmt: skip
    assert used.all() == []


def test_values_are_given_where_their_names_stand(desk: Desk) -> None:
    found = desk.session.query("Thing where few is $few or name is $name", few=3, name="anchor")

    assert found.where("slot is $slot", slot=1).all() == [desk.thing]
    assert found.where("slot is $slot", slot=2).all() == []


@pytest.mark.parametrize("value", [object(), b"short", type], ids=["object", "bytes", "type"])
def test_a_parameter_that_is_no_value_is_an_invalid_query(desk: Desk, value: Any) -> None:
    with desk.refuses(rr.InvalidQuery):
        desk.session.query("Thing where name is $value", value=value).all()


def test_a_number_with_too_many_digits_to_be_shown(desk: Desk) -> None:
    huge = 10**5000
    for name in ("k_integer", "k_number", "k_decimal", "k_text", "k_date"):
        with desk.refuses(rr.InvalidValue, attribute=name, value=huge) as caught:
            desk.thing[name] = huge
        assert str(caught.value).endswith("got an int.")
    with desk.refuses(rr.InvalidValue):
        desk.session.create_many("Thing", {"name": ["x"], "k_integer": [huge]})
    with desk.refuses(rr.InvalidQuery):
        desk.session.query("Thing where k_integer is $huge", huge=huge).all()


def test_a_message_has_the_beginning_of_a_long_value_and_the_fact_all_of_it(desk: Desk) -> None:
    text = "far too long " * 100_000
    with desk.refuses(rr.InvalidValue, value=text) as caught:
        desk.thing["short"] = text
    assert "'far too long far" in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("source", ["no-such.toml", Path("no-such.toml"), Path(), Path("a\0.toml"), 5, None])
def test_a_schema_that_cannot_be_read(desk: Desk, source: Any) -> None:
    with desk.refuses(rr.InvalidSchema):
        desk.session.apply_schema(source)
    with desk.refuses(rr.InvalidSchema):
        desk.session.plan_schema(source)


LARGEST = sys.float_info.max


@pytest.mark.parametrize(
    ("numbers", "total"),
    [
        ([1e308, 1e308], None),
        ([-1e308, -1e308], None),
        ([LARGEST], LARGEST),
        ([LARGEST, -LARGEST], 0.0),
        ([1e308, 1.0], 1e308),
        ([1e290, 5e-324], 1e290),
        ([5e-324], 5e-324),
        ([1.5, 2.5], 4.0),
    ],
)
def test_a_sum_beyond_the_largest_number_is_no_value(desk: Desk, numbers: list[float], total: float | None) -> None:
    session: Session = desk.session
    session.create_many("Thing", {"name": ["sum"] * len(numbers), "k_number": numbers})
    session.commit()
    [row] = session.query(
        "select name, sum(k_number) as s, avg(k_number) as a from Thing group by name order by s"
    ).where("name is sum")
    session.delete(session.query("Thing where name is sum").all())
    session.commit()

    assert (row["s"], row["a"]) == (total, None if total is None else total / len(numbers))
