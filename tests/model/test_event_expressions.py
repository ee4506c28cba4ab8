"""Expressions as other systems' scripts write them: the same texts are taken and refused, and compared as they are there."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from recordroom.errors import Error
from recordroom.model.event_expressions import matches, parse_expression, reaches

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api.event.base
    import ftrack_api.event.expression
    import ftrack_api.exception

TEXTS = [
    'topic=ftrack.update and data.user.name="x"', "topic = ftrack.*", 'topic="ftrack.update"', "topic='ftrack.update'",
    "not topic=a", "NOT topic=a", "topic=a AND topic=b Or topic=c", "(topic=a or topic=b) and not (data.x=1)",
    "not (topic=a)", "not not topic=a", "data.x>=1", "data.x<1", "data.x!=b", "topic=*", 'topic="a b c"',
    "topic=a and (data.x=1 or (data.y=2 and not data.z=3))", "source.user.username=martin", "data.path=/mnt/x,y",
    "id=abc-def", "source.id!=abc and topic=x", "data.mail=a@b.com", "data.x=+3", "data.0=x", "0.x=y", "_x=1",
    "data.x=-1", "data.x=''", 'data.x=""', "topic=and", "topic=not", "notx=1", "android=1", "topic=a and notx=1",
    "topic=a\nand topic=b", ".x=1", "x.=1", 'x = "a*b"', "topic=a*b", "in_reply_to_event=x",
    # Refused:
    "topic==a", "topic=", "", "topic=a topic=b", "topic=a and", "(topic=a", "topic=a)", "topic~a",
    "data.x=a b", "topic=a and or topic=b", 'data["x"]=1', "topic=a and topic", "topic=[a]",
]  # fmt: skip


def is_taken(read: Any, text: str) -> bool:
    try:
        read(text)
    except (Error, ftrack_api.exception.ParseError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_taken_where_it_is_there(text: str) -> None:
    expected = is_taken(ftrack_api.event.expression.Parser().parse, text)

    assert is_taken(lambda each: parse_expression(each, ()), text) is expected


EVENT = {
    "topic": "ftrack.update",
    "source": {"id": "hub", "user": {"username": "martin"}},
    "data": {"name": "anim", "n": "10", "path": "/mnt/shots/sh010", "nothing": None, "list": ["a"]},
}


@pytest.mark.parametrize(
    "text",
    [
        "topic=ftrack.update", "topic=ftrack.*", "topic=ftrack", "not topic=ftrack", "source.user.username=martin",
        "data.user.username=martin", "not data.user.username=martin", "data.name!=comp", "data.name!=anim",
        "data.name>a", "data.name>b", "data.name<=anim", "data.n>=10", "data.path=/mnt/shots/*", "data.name=anim or x=y",
        "topic=ftrack.update and data.name=comp", "x=1 or (topic=ftrack.update and not data.name=comp)", "topic=*",
    ],
)  # fmt: skip
def test_texts_are_compared_as_they_are_there(text: str) -> None:
    theirs = ftrack_api.event.expression.Parser().parse(text)
    expected = theirs.match(ftrack_api.event.base.Event(**EVENT))  # type: ignore[arg-type]

    assert matches(parse_expression(text, ()), EVENT) is bool(expected)


@pytest.mark.parametrize("text", ["data.nothing>1", "data>1", "source<=a", "data.nothing=*", "data.missing!=a"])
def test_what_has_no_order_or_is_not_there_fits_nothing(text: str) -> None:
    assert not matches(parse_expression(text, ()), EVENT)


def test_a_target_names_any_of_several_ids() -> None:
    subscriber = {"id": ["one", "hub-1"], "actor": "ann"}

    assert [reaches(each, subscriber) for each in ("one", "hub-1", "id=hub-1", "not id=one", "ann", "two")] == [
        True, True, True, False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["data.x=" + "*a" * 2000 + "b", 'data.x="' + "a*" * 2000 + 'b"', "data.x=*" + "*" * 3000 + "b"]
)
def test_no_pattern_takes_longer_than_its_text_is_long(text: str) -> None:
    assert not matches(parse_expression(text, ()), {"data": {"x": "a" * 100_000}})
