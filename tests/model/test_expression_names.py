import pytest

from recordroom.model.expression_names import names_in, rename_first
from recordroom.query.grammar import parse_value
from recordroom.query.render import render
from recordroom.query.syntax import AGGREGATES, FUNCTIONS, Path


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bid * 2", "cost * 2"),
        ("bid.bid + other.bid", "cost.bid + other.bid"),
        ("other . bid", "other . bid"),
        ("bids + my_bid", "bids + my_bid"),
        ('concat(\'bid\', "bid \\" bid", bid)', 'concat(\'bid\', "bid \\" bid", cost)'),
        ("`bid` * 2", "`cost` * 2"),
        ("bid(bid)", "bid(cost)"),
        ("5 bid + bid", "5 bid + cost"),
        ("5bid", "5bid"),
        ("$bid + bid", "$bid + cost"),
        ('bid["bid"]', 'cost["bid"]'),
        ("sum(tasks.bid)-bid", "sum(tasks.bid)-cost"),
    ],
)
def test_only_first_names_of_paths_are_renamed(before, after):
    assert rename_first(before, "bid", "cost") == after


WORDS = (
    "true",
    "None",
    "NULL",
    "false",
    "select",
    "where",
    "and",
    "not",
    "any",
    "has",
    "in",
    "by",
    *FUNCTIONS,
    *AGGREGATES,
)


@pytest.mark.parametrize("word", WORDS)
def test_a_name_that_is_a_word_of_the_language_stays_a_name(word):
    assert parse_value(rename_first("bid", "bid", word)) == Path((word,))

    expression = rename_first("concat(bid, bid.x, 2 * bid)", "bid", word)
    assert parse_value(rename_first(expression, word, "bid")) == parse_value("concat(bid, bid.x, 2 * bid)")
    assert parse_value(rename_first(render(parse_value(expression)), word, "bid")) == parse_value(
        "concat(bid, bid.x, 2 * bid)"
    )


def test_a_constant_is_not_a_name():
    assert rename_first("coalesce(a, none)", "none", "x") == "coalesce(a, none)"


def test_all_names_are_found():
    assert names_in("concat(a.b, `c d`.e, 'f', 5 g) + $h + null") == {"a", "b", "c d", "e"}
