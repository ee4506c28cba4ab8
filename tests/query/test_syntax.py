"""The query tree: what is equal, and what only looks so."""

from __future__ import annotations

import itertools

import pytest

from recordroom.query.syntax import Literal


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations((1, 1.0, True, "1"), 2)))
def test_constants_of_different_types_are_different(one: object, other: object) -> None:
    assert Literal(one) != Literal(other)
    assert len({Literal(one), Literal(other), Literal(one)}) == 2
