"""Queries that are none: syntax, depth, size, wrong sorts of things compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import recordroom as rr
from recordroom.query import syntax
from recordroom.query.expressions import and_, not_
from tests.acceptance.bad_input.conftest import Desk

DEEP = 10_000

SYNTAX = [
    ("", 1, 1),
    ("Thing where", 1, 12),
    ("Thing where name", 1, 17),
    ("Thing where name is", 1, 20),
    ("Thing where name is 'x", 1, 21),
    ("Thing where (name is 'x'", 1, 25),
    ("Thing where name is 'x')", 1, 24),
    ("Thing\nwhere name is 'x'\nand and few > 1", 3, 9),
    ("Thing where few > 5 ; drop table x", 1, 21),
    ("select from Thing", 1, 13),
    ("Thing order by", 1, 15),
    ("Thing limit many", 1, 13),
    ("Thing where name in (", 1, 22),
]


@pytest.mark.parametrize(("text", "line", "column"), SYNTAX, ids=[text for text, _, _ in SYNTAX])
def test_a_syntax_error_says_where_and_what_was_expected(desk: Desk, text: str, line: int, column: int) -> None:
    with desk.refuses(rr.QuerySyntaxError, line=line, column=column, text=text) as caught:
        desk.session.query(text).all()
    assert caught.value.expected
    assert caught.value.found
    assert f"ine {line}, column {column}" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "Thing where " + "(" * DEEP + "few > 1" + ")" * DEEP,
        "Thing where " + "not " * DEEP + "few > 1",
        "Thing where few > " + "(" * DEEP + "1" + ")" * DEEP,
        "Thing where few > " + "-" * DEEP + "few",
        "Thing where few > 1" + " + 1" * DEEP,
        "Thing where " + "lower(" * DEEP + "name" + ")" * DEEP + " is 'x'",
        "Thing where few in " + "(select few from Thing where few in " * DEEP + "(1)" + ")" * DEEP,
        "Thing where " + "next." * DEEP + "name is 'x'",
        "Thing where " + "few > 1 and " * DEEP + "few > 1",
        "Thing where few > 1" + " " * 2_000_000,
    ],
    ids=["brackets", "not", "value", "minus", "plus", "calls", "queries", "path", "and", "length"],
)
def test_a_text_nested_ten_thousand_deep(desk: Desk, text: str) -> None:
    with desk.refuses(rr.QueryTooComplex) as caught:
        desk.session.query(text).all()
    assert caught.value.limit > 0


def nested(make: Callable[[Any], Any], start: Any) -> Any:
    for _ in range(DEEP):
        start = make(start)
    return start


def test_a_tree_nested_ten_thousand_deep(desk: Desk) -> None:
    leaf = syntax.Compare("is", syntax.Path(("name",)), syntax.Literal("x"))
    for make in (
        syntax.Not,
        lambda inner: syntax.And((leaf, inner)),
        lambda inner: syntax.Any(syntax.Path(("previous",)), inner),
    ):
        with desk.refuses(rr.QueryTooComplex):
            desk.session.query(syntax.Query(type="Thing", where=nested(make, leaf))).all()


@pytest.mark.parametrize(
    "make",
    [
        not_,
        lambda condition: ~condition,
        lambda condition: and_(~condition, ~condition),
    ],
    ids=["function", "operator", "both"],
)
def test_an_expression_nested_ten_thousand_deep(desk: Desk, make: Any) -> None:
    Thing = desk.session.types["Thing"]
    with desk.refuses(rr.QueryTooComplex):
        desk.session.query(nested(make, Thing.few > 1)).all()


def test_a_value_nested_ten_thousand_deep(desk: Desk) -> None:
    Thing = desk.session.types["Thing"]
    with desk.refuses(rr.QueryTooComplex):
        desk.session.query(nested(lambda value: value + 1, Thing.few) > 1).all()


@pytest.mark.parametrize(
    "text",
    [
        "Thing where k_text > 5 and k_boolean > True",
        "Thing where k_json > '1'",
        "Thing where place.name.first is 'x'",
        "Thing where name like 5",
        "Thing where sum(few) > 1",
        "Thing where k_mapping is 'x'",
        "Thing where things is 'x'",
        "Thing where nosuch(name) is 'x'",
        "Thing where name is $missing",
        "select name from Thing group by few",
        "select few + name from Thing",
        "Thing order by k_json",
    ],
)
def test_a_question_that_cannot_be(desk: Desk, text: str) -> None:
    before = desk.state()
    with pytest.raises((rr.InvalidQuery, rr.UnknownAttribute)) as caught:
        desk.session.query(text).all()
    assert str(caught.value)
    assert desk.state() == before


@pytest.mark.parametrize("value", [object(), b"short", lambda: 1, type], ids=["object", "bytes", "function", "type"])
def test_a_parameter_that_is_no_value(desk: Desk, value: Any) -> None:
    before = desk.state()
    with pytest.raises((rr.InvalidQuery, TypeError)):
        desk.session.query("Thing where name is $value", value=value).all()
    assert desk.state() == before


@pytest.mark.parametrize("text", ["", " ", "***", '"', " ".join(f"w{n}" for n in range(1000))])
def test_a_search_without_words_or_with_too_many(desk: Desk, text: str) -> None:
    before = desk.state()
    with pytest.raises((rr.InvalidQuery, rr.QueryTooComplex), match="word"):
        desk.session.search(text)
    assert desk.state() == before
