"""Functions and operators at their edges: both databases come to what is computed in memory."""

import random
from typing import Any

import pytest

from recordroom.query.evaluate import evaluate
from recordroom.query.grammar import parse
from recordroom.query.resolve import resolve
from recordroom.store.room import Room
from tests.query.asking import Asked
from tests.query.world import SCHEMA, Entity, World

EXPRESSIONS: dict[str, Any] = {
    "1 + 2": 3,
    "1 - 2": -1,
    "2 * 3": 6,
    "1 / 2": 0.5,
    "7 / 7": 1.0,
    "5 / 0": None,
    "0.0 / 0": None,
    "9223372036854775807 + 1": None,
    "-9223372036854775808 - 1": None,
    "9223372036854775807 + 0": 9223372036854775807,
    "4611686018427387904 * 2": None,
    "-4611686018427387904 * 2": -9223372036854775808,
    "abs(-9223372036854775808)": None,
    "abs(-5)": 5,
    "abs(-0.5)": 0.5,
    "1e308 + 1e308": None,
    "-1e308 - 1e308": None,
    "1e308 * 10.0": None,
    "1e308 / 1e-10": None,
    "1e-300 * 1e-300": 0.0,
    "1e-300 / 1e300": 0.0,
    "0.0 * 1e308": 0.0,
    "1e308 - 1e308": 0.0,
    "0.1 + 0.2": 0.1 + 0.2,
    "1e200 * 1e100": 1e300,
    "9007199254740993 + 0.0": 9007199254740992.0,
    "round(2.5)": 3.0,
    "round(-2.5)": -3.0,
    "round(0.5)": 1.0,
    "round(1.25, 1)": 1.3,
    "round(-0.04, 1)": 0.0,
    "round(1e300, 5)": 1e300,
    "round(4503599627370497.0, 2)": 4503599627370497.0,
    "round(7, 2)": 7,
    'lower("ÄBC İ")': "äbc İ",
    'upper("äbc ß")': "ÄBC ß",
    'length("ä\U0001f600x")': 3,
    'concat("a", 5, "b")': "a5b",
    'coalesce("a", "b")': "a",
    "price + price": None,
    "price - price": "0",
    "price * price": None,
    "price * 0.5": "49999999999999999999999999999999999.5",
    "round(fine, 15)": "0",
    "round(fine, 3)": "0",
    "fine * fine": "0",
    "fine * 0.5": "0.000000000000000000000000000003",
    "abs(0 - fine)": "0.000000000000000000000000000005",
    "fine / 2": 2.5e-30,
    "year(old)": 1,
    "month(old)": 1,
    "day(old)": 1,
    "year(last)": 9999,
    "day(last)": 31,
    "year(before)": 1969,
    "day(before)": 31,
    "month(before)": 12,
    "nothing + 1": None,
    "lower(empty)": None,
    'concat(empty, "x", nothing)': "x",
    "coalesce(nothing, 5)": 5,
}
NAMES = {
    "price": ("price", "9" * 35),
    "fine": ("price", "0.000000000000000000000000000005"),
    "old": ("due", -719162),
    "last": ("seen", 253402300799999999),
    "before": ("seen", -1),
    "nothing": ("bid", None),
    "empty": ("name", None),
}


@pytest.fixture
def asked(room: Room) -> Asked:
    return Asked(room)


def test_edges_come_out_alike(asked: Asked) -> None:
    world = World(random.Random(0))
    items = world.now.entities_by_root["Item"]
    wrong = {}
    for expression, expected in EXPRESSIONS.items():
        text, values = expression, {}
        for word, (attribute, value) in NAMES.items():
            if word in text:
                text, values[attribute] = text.replace(word, attribute), value
        items.clear()
        known = {"number": 1, "revision": 1, "created_revision": 1}
        items[bytes(16)] = Entity("Item", known | values)
        asked.tell(world)
        found = asked.value(text, "Item")
        in_memory = evaluate(resolve(SCHEMA, parse(f"select {text} as v from Item")), world.now).rows[0][0]
        if not found == in_memory == expected or type(found) is not type(expected):
            wrong[expression] = (found, in_memory, expected)

    assert wrong == {}


@pytest.mark.parametrize(
    ("numbers", "total"),
    [
        ([], None),
        ([None], None),
        ([1, None, 2], 3),
        ([2**63 - 1, 1], None),
        ([-(2**63), -1], None),
        ([-(2**63), 2**63 - 1], -1),
        ([2**63 - 1, 2**63 - 1, -(2**63), -(2**63)], -2),
        ([2**63 - 1, 1, -1], 2**63 - 1),
        ([-(2**31), 2**31, -1], -1),
        ([2**32, 2**32 - 1, -5], 2**33 - 6),
    ],
)
def test_sums_of_integers_are_exact_or_null(asked: Asked, numbers: list[int | None], total: int | None) -> None:
    world = World(random.Random(1))
    items = world.now.entities_by_root["Item"]
    items.clear()
    for place, number in enumerate(numbers):
        entity = bytes([place + 1]) * 16
        items[entity] = Entity("Item", {"bid": number, "number": place, "revision": 1, "created_revision": 1})
    asked.tell(world)

    assert asked.page("select sum(bid) as v from Item").columns["v"] == [total]
