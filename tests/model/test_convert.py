from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordroom.model.convert import converter
from recordroom.model.kinds import WrongValue
from recordroom.model.schema import Attribute

ID = bytes.fromhex("01890a5dac96774bbcceb302099a8057")
ID_TEXT = "01890a5d-ac96-774b-bcce-b302099a8057"


def of(kind: str, **facts: Any) -> Attribute:
    return Attribute(name="x", kind=kind, **facts)


@pytest.mark.parametrize(
    ("old", "raw", "new", "expected"),
    [
        (of("text"), "12", of("integer"), 12),
        (of("integer"), 12, of("text"), "12"),
        (of("integer"), 12, of("number"), 12.0),
        (of("integer"), 12, of("decimal"), "12"),
        (of("integer"), 1, of("boolean"), True),
        (of("number"), 2.0, of("integer"), 2),
        (of("number"), 0.1, of("decimal"), "0.1"),
        (of("number"), 0.1, of("text"), "0.1"),
        (of("decimal"), "2", of("integer"), 2),
        (of("decimal"), "0.5", of("number"), 0.5),
        (of("boolean"), True, of("integer"), 1),
        (of("boolean"), False, of("text"), "False"),
        (of("text"), "False", of("boolean"), False),
        (of("date"), 0, of("datetime"), 0),
        (of("datetime"), 86_400_000_000, of("date"), 1),
        (of("date"), 1, of("text"), "1970-01-02"),
        (of("text"), "1970-01-02", of("date"), 1),
        (of("uuid"), ID, of("text"), ID_TEXT),
        (of("text"), ID_TEXT, of("uuid"), ID),
        (of("text"), ID_TEXT, of("reference", target="Task"), ID),
        (of("reference", target="Task"), ID, of("text"), ID_TEXT),
        (of("reference", target="Task"), ID, of("uuid"), ID),
        (of("uuid"), ID, of("reference", target="Task"), ID),
        (of("json"), '{"a":1}', of("text"), '{"a": 1}'),
        (of("choice", choices=("a",)), "a", of("long_text"), "a"),
        (of("text"), "#FF0000", of("color"), "#ff0000"),
        (of("text"), "a", of("text", multi=True), '["a"]'),
        (of("text", multi=True), '["7"]', of("integer"), 7),
        (of("text", multi=True), "[]", of("integer"), None),
        (of("text", multi=True), '["7","8"]', of("integer", multi=True), "[7,8]"),
    ],
)
def test_values_that_mean_the_same_are_converted(old: Attribute, raw: Any, new: Attribute, expected: Any) -> None:
    found = converter(old, new)(raw)

    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("old", "raw", "new"),
    [
        (of("text"), "twelve", of("integer")),
        (of("number"), 2.5, of("integer")),
        (of("decimal"), "2.5", of("integer")),
        (of("decimal"), "0.1234567890123456789012345", of("number")),
        (of("integer"), 2, of("boolean")),
        (of("integer"), 5, of("date")),
        (of("datetime"), 1, of("date")),
        (of("text"), "x", of("uuid")),
        (of("text"), "x", of("reference", target="Task")),
        (of("text"), "long", of("text", max_length=2)),
        (of("text"), "c", of("choice", choices=("a", "b"))),
        (of("integer"), 11, of("integer", max=10)),
        (of("text", multi=True), '["a","b"]', of("text")),
    ],
)
def test_values_that_would_lose_something_are_refused(old: Attribute, raw: Any, new: Attribute) -> None:
    with pytest.raises(WrongValue):
        converter(old, new)(raw)


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_integers_survive_a_time_as_text_or_decimal(number: int) -> None:
    for kind in ("text", "decimal"):
        there, back = converter(of("integer"), of(kind)), converter(of(kind), of("integer"))
        assert back(there(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_a_time_as_text(number: float) -> None:
    assert converter(of("text"), of("number"))(converter(of("number"), of("text"))(number)) == number
