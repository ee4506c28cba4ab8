"""Events of a commit, and expressions over them."""

from __future__ import annotations

import contextlib
import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from recordroom.errors import QuerySyntaxError, QueryTooComplex
from recordroom.model.event_expressions import facts_of, is_expression, matches, parse_expression, reaches
from recordroom.model.events import COMMIT, MOST_CHANGES, Event, changes_of, events_of, json_event
from recordroom.model.ids import new_id, new_ids, show_id
from recordroom.model.operations import (
    Create,
    DefineType,
    Delete,
    DropKeys,
    Link,
    Operation,
    Publish,
    RenameType,
    SetKeys,
    Unlink,
    Update,
)
from recordroom.model.schema import Attribute, EntityType, Schema

A = Attribute
SCHEMA = Schema(
    [
        EntityType(
            name="Task",
            attributes=(
                A(name="name", kind="text"),
                A(name="due", kind="datetime"),
                A(name="day", kind="date"),
                A(name="cost", kind="decimal"),
                A(name="tags", kind="text", multi=True),
                A(name="data", kind="json"),
                A(name="parent", kind="reference", target="Task"),
                A(name="watchers", kind="links", target="Task", notes=True),
                A(name="dates", kind="mapping", of="date"),
            ),
        )
    ]
)


def commit(*operations: Operation) -> list[Event]:
    return events_of(Event(topic=COMMIT, revision=7, commit=new_id(), actor="ann", time=1), operations)


# --- events of a commit ---------------------------------------------------------------------------


def test_a_commit_is_one_event_and_what_it_publishes_follows_in_order() -> None:
    found = commit(Publish(topic="a"), Create(type="Task", ids=[new_id()]), Publish(topic="b", data={"n": 1}))

    assert [(each.topic, each.place) for each in found] == [(COMMIT, 0), ("a", 1), ("b", 2)]
    assert found[1].id == f"{found[0].id}.1"
    assert found[2].data == {"n": 1}


def test_a_commit_that_only_publishes_is_no_event_of_its_own() -> None:
    assert [each.topic for each in commit(Publish(topic="a"))] == ["a"]


def test_changes_say_what_was_before_and_after_by_entity() -> None:
    one, two, three = new_ids(3)
    (event,) = commit(
        Create(type="Task", ids=[one, two], columns={"name": ["a", "b"]}),
        Update(type="Task", ids=[two], columns={"name": ["c"]}, before={"name": ["b"]}),
        Delete(type="Task", ids=[three], before={"name": ["x"]}),
        Link(type="Task", attribute="watchers", sources=[one], targets=[two], notes=["hi"]),
        Unlink(type="Task", attribute="watchers", sources=[two], targets=[one], before_notes=["ho"]),
        SetKeys(type="Task", attribute="dates", ids=[one], keys=["k"], values=[3], before=[2]),
        DropKeys(type="Task", attribute="dates", ids=[one], keys=["k"], before=[3]),
    )

    assert event.count == 8
    assert [(each.verb, each.id, each.before, each.after, each.member, each.key) for each in event.changes] == [
        ("create", one, {}, {"name": "a"}, None, None),
        ("create", two, {}, {"name": "b"}, None, None),
        ("update", two, {"name": "b"}, {"name": "c"}, None, None),
        ("delete", three, {"name": "x"}, {}, None, None),
        ("link", one, {"watchers": None}, {"watchers": "hi"}, two, None),
        ("unlink", two, {"watchers": "ho"}, {"watchers": None}, one, None),
        ("set_key", one, {"dates": 2}, {"dates": 3}, None, "k"),
        ("drop_key", one, {"dates": 3}, {"dates": None}, None, "k"),
    ]


def test_an_event_of_a_huge_commit_is_bounded_and_says_how_many_there_are() -> None:
    ids = new_ids(MOST_CHANGES + 5)
    (event,) = commit(Create(type="Task", ids=ids[:-2]), Create(type="Task", ids=ids[-2:]))

    assert [each.id for each in event.changes] == ids[:MOST_CHANGES]
    assert event.count == MOST_CHANGES + 5
    assert len(list(changes_of(Create(type="Task", ids=ids)))) == MOST_CHANGES + 5


def test_changes_of_the_schema_name_the_types() -> None:
    (event,) = commit(DefineType(definition=EntityType(name="Shot")), RenameType(name="Shot", to="Take"))

    assert event.schema == ["Shot"]


def test_json_shows_ids_moments_and_values_by_their_kinds() -> None:
    one, two = new_ids(2)
    columns: dict[str, list[Any]] = {
        "name": ["a"], "due": [1_000_000], "day": [1], "cost": ["1.50"], "tags": ['["x"]'], "data": ['{"n":1}'],
        "parent": [two], "gone": [two],
    }  # fmt: skip
    (event,) = commit(Create(type="Task", ids=[one], columns=columns))
    shown = json.loads(json.dumps(json_event(event, SCHEMA)))

    assert shown["time"] == "1970-01-01T00:00:00.000001Z"
    assert shown["changes"][0] == {
        "type": "Task", "id": show_id(one), "verb": "create", "before": {},
        "after": {
            "name": "a", "due": "1970-01-01T00:00:01Z", "day": "1970-01-02", "cost": "1.50", "tags": ["x"],
            "data": {"n": 1}, "parent": show_id(two), "gone": show_id(two),
        },
    }  # fmt: skip


def test_json_of_links_and_entries() -> None:
    one, two = new_ids(2)
    (event,) = commit(
        Link(type="Task", attribute="watchers", sources=[one], targets=[two], notes=["hi"]),
        SetKeys(type="Task", attribute="dates", ids=[one], keys=["k"], values=[1]),
    )
    link, entry = json_event(event, SCHEMA)["changes"]

    assert (link["member"], link["after"]) == (show_id(two), {"watchers": "hi"})
    assert (entry["key"], entry["after"]) == ("k", {"dates": "1970-01-02"})


# --- expressions ----------------------------------------------------------------------------------

EVENT = Event(
    topic="render.done",
    revision=12,
    place=1,
    commit=bytes(16),
    actor="ann",
    data={"shot": "sh010", "frames": 24, "ok": True, "none": None, "takes": [{"n": 1}, {"n": 2}], "odd": "a*b"},
    source="hub",
)


def fits(text: str, event: Event = EVENT) -> bool:
    return matches(parse_expression(text), facts_of(event))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("topic=render.done", True),
        ("topic=render", False),
        ("topic=render*", True),
        ("topic=*.done", True),
        ("topic=r*d*e", True),
        ("topic=r*x*e", False),
        ("topic=render.done*done", False),
        ("topic!=render.*", False),
        ("topic!=other", True),
        ("render.*", True),
        ("render.done", True),
        ("*", True),
        ("render.x*", False),
        ("actor=ann and source.id=hub", True),
        ("source.user.username=ann", True),
        ("data.shot=sh010", True),
        ('data.shot="sh010"', True),
        ("data.shot='sh0*'", True),
        ("data.frames=24", True),
        ("data.frames > 9", True),
        ("data.frames>=24 and data.frames<=24", True),
        ("data.frames<9", False),
        ("data.frames > many", False),
        ("data.shot > sh009", True),
        ("data.ok=true", True),
        ("data.ok > 0", False),
        ("data.none=null", False),
        ("data.missing=x", False),
        ("data.missing!=x", False),
        ("not data.missing=x", True),
        ("data.takes.n=2", True),
        ("data.takes.n>2", False),
        (r'data.odd="a\*b"', True),
        (r'data.shot="sh\*"', False),
        ("revision>=12", True),
        ("NOT topic=x AND actor=ann OR actor=bob", True),
        ("actor=bob and actor=x or actor=ann", True),
        ("actor=bob and (actor=x or actor=ann)", False),
        ("type=Task", False),
    ],
)
def test_an_expression_fits_or_does_not(text: str, expected: bool) -> None:
    assert fits(text) is expected
    assert is_expression(text)


def test_fields_of_a_commit_fit_when_any_change_does() -> None:
    one, two = new_ids(2)
    (event,) = commit(
        Create(type="Task", ids=[one], columns={"name": ["a"]}),
        Update(type="Shot", ids=[two], columns={"cut": [1]}, before={"cut": [2]}),
    )

    assert fits(f"type=Task and verb=update and attribute=cut and entity={show_id(two)}", event)
    assert not fits("verb=delete", event)
    assert not fits("topic=render.*", event)


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("topic=", 7, "a value"),
        ("topic=a and", 12, "a field"),
        ("(topic=a", 9, "')'"),
        ("topic=a b=c", 9, "and"),
        ("topic ~ a", 7, "operator"),
        ("", 1, "a field"),
        ("topic", 6, "a comparison"),
        ("actor=x\nand topc=y", 5, "topic"),
    ],
)
def test_what_is_no_expression_is_told_with_its_place(text: str, column: int, expected: str) -> None:
    with pytest.raises(QuerySyntaxError) as caught:
        parse_expression(text)

    assert caught.value.column == column
    assert caught.value.line == 1 + text.count("\n")
    assert expected in caught.value.message


def test_a_field_that_is_misspelt_is_told_with_the_right_one() -> None:
    with pytest.raises(QuerySyntaxError, match="Did you mean 'topic'"):
        parse_expression("topc=x")


@pytest.mark.parametrize("text", ["(" * 60 + "topic=a" + ")" * 60, "not " * 60 + "topic=a", "topic=" + "a" * 10_001])
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(QueryTooComplex):
        parse_expression(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Task", False),
        ("Task where status is done", False),
        ("select name from Task", False),
        ("Task where topic = x", False),
        ("task=5", True),
        ("topic=a b", True),
        ("(", True),
    ],
)
def test_queries_and_expressions_are_told_apart(text: str, expected: bool) -> None:
    assert is_expression(text) is expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("", True),
        ("hub", True),
        ("ann", True),
        ("bob", False),
        ("id=hub", True),
        ("id=other", False),
        ("actor=ann and id=*", True),
        ("no such ( expression", False),
        ("kind=artist", True),
    ],
)
def test_a_target_reaches_whom_it_describes(target: str, expected: bool) -> None:
    assert reaches(target, {"id": "hub", "actor": "ann", "kind": "artist"}) is expected


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    event = replace(EVENT, data={"x": "a" * 100_000})

    assert not fits("data.x=" + "*a" * 2000 + "*b", event)


@given(st.text(alphabet=string.printable, max_size=60))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    with contextlib.suppress(QuerySyntaxError, QueryTooComplex):
        fits(text)
