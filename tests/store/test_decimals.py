from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordroom.model.kinds import KINDS
from recordroom.model.schema import Attribute
from recordroom.store.decimals import decode, decode_column, encode, encode_column

KIND = KINDS["decimal"]
ATTRIBUTE = Attribute(name="price", kind="decimal")


def canonical(number: Decimal) -> str:
    return KIND.dump(KIND.check(number, ATTRIBUTE))


numbers = st.one_of(
    st.decimals(min_value=-(10**34), max_value=10**34, places=30),
    st.decimals(min_value=-1000, max_value=1000, places=3),
    st.integers(min_value=-(10**34), max_value=10**34).map(Decimal),
)


@given(numbers, numbers)
def test_texts_sort_and_equal_like_the_numbers(left: Decimal, right: Decimal) -> None:
    a, b = encode(canonical(left)), encode(canonical(right))

    assert (a < b) == (left < right)
    assert (a == b) == (left == right)


@given(numbers)
def test_what_was_encoded_comes_back(number: Decimal) -> None:
    text = canonical(number)

    assert decode(encode(text)) == text


@pytest.mark.parametrize(
    "text", ["0", "0.1", "-0.1", "9.99", "-9.99", "0." + "0" * 29 + "1", "-" + "9" * 35, "100", "-100"]
)
def test_limits_come_back(text: str) -> None:
    assert decode(encode(text)) == text


def test_neighbours_that_share_beginnings_sort() -> None:
    rising = [
        "-100",
        "-10.5",
        "-10.05",
        "-10",
        "-1",
        "-0.5",
        "-0.05",
        "0",
        "0.05",
        "0.5",
        "1",
        "10",
        "10.05",
        "10.5",
        "100",
    ]

    assert sorted(rising, key=encode) == rising


def test_columns_keep_their_nulls() -> None:
    column = ["1.5", None, "0"]

    assert decode_column(encode_column(column)) == column
