"""Text of the dialect's queries becomes text of ours; what a condition asks of one value."""

from __future__ import annotations

from typing import Any

import pytest

from recordroom.dialects.ftrack.judging import Among, Test, moment_of
from recordroom.dialects.ftrack.names import Field
from recordroom.dialects.ftrack.text import readable
from recordroom.query.syntax import Constant, Literal, Path

Test.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a is "x"and b is "y"', 'a is "x" and b is "y" '),
        ("a is x", 'a is "x"'),
        ("a is x-1.b_c", 'a is "x-1.b_c"'),
        ("a = 5 and b > -1.5e3", "a = 5 and b > -1.5e3"),
        ("a is true and b is NONE and c is null", "a is True and b is None and c is None"),
        ('id in (a-b,c, "d")', 'id in ("a-b","c", "d" )'),
        ("id in (select id from B where n is 01_2) limit 3", 'id in (select id from B where n is "01_2") limit 3'),
        ("id not_in (1, x)", 'id not_in (1, "x")'),
        ('p is "C:\\temp\\%"', 'p is "C:\\\\temp\\%" '),
        ('p is "say \\"hi\\""', 'p is "say \\"hi\\"" '),
        (
            "select a, b from T where group is G order by a desc",
            'select a, b from T where group is "G" order by a desc',
        ),
        ("not a any () and b has (c is d)", 'not a any () and b has (c is "d")'),
        ("a is not x", "a is not x"),
    ],
)
def test_values_get_quotes(text: str, expected: str) -> None:
    assert readable(text) == expected


@pytest.mark.parametrize(
    ("test", "value", "expected"),
    [
        (Test("is", "a"), "a", True),
        (Test("is", "a"), "b", False),
        (Test("is_not", "a"), None, True),
        (Test("is", None), None, True),
        (Test("is_not", None), "x", True),
        (Test("is", "5"), 5, True),
        (Test("is", "x"), 5, False),
        (Test("is", "true"), True, True),
        (Test("is", 0), False, True),
        (Test("is", "b"), ["a", "b"], True),
        (Test("like", "a%"), "Abc", True),
        (Test("not_like", "a%"), "xyz", True),
        (Test("<", 5), 4, True),
        (Test(">=", "5"), 5, True),
        (Test(">", "x"), 5, False),
        (Test("<", "b"), "a", True),
        (Test("<", 5), None, False),
        (Among(("a", "b"), False), "b", True),
        (Among(("a", "b"), True), "b", False),
        (Among((), False), "b", False),
    ],
)
def test_what_holds_for_a_known_value(test: Any, value: Any, expected: bool) -> None:
    assert test.holds(value) is expected


@pytest.mark.parametrize(
    ("kind", "given"), [("uuid", "x"), ("integer", "many"), ("datetime", "soon"), ("boolean", "perhaps")]
)
def test_what_is_no_value_of_a_kind_equals_nothing(kind: str, given: str) -> None:
    field = Field(name="a", form="scalar", kind=kind)

    assert Test("is", given).about(Path(("a",)), field) == Constant(False)
    assert Test(">", given).about(Path(("a",)), field) == Constant(False)


def test_numbers_become_texts_where_texts_are() -> None:
    made: Any = Test("is", 5).about(Path(("a",)), Field(name="a", form="scalar", kind="text"))

    assert made.right == Literal("5")


def test_moments_without_a_zone_are_in_utc() -> None:
    assert moment_of("2020-05-05T01:02:03").isoformat() == "2020-05-05T01:02:03+00:00"
    assert moment_of("2020-05-05T01:02:03+02:00").isoformat() == "2020-05-04T23:02:03+00:00"
