"""Packets and expressions of the event hub. What an expression means is what the client makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordroom.dialects.ftrack.channels import Subscription, reached
from recordroom.dialects.ftrack.envelopes import Target, delivered, published, read_sent
from recordroom.dialects.ftrack.event_rules import fits, may_fit_topic, only_topic, parsed
from recordroom.dialects.ftrack.socketio import Packet, acknowledged, event_of, read_packet, sent_event
from recordroom.errors import InvalidRequest, InvalidValue, QuerySyntaxError, QueryTooComplex
from recordroom.model.events import Event
from tests.dialects.ftrack.hubs import Event as TheirEvent
from tests.dialects.ftrack.hubs import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ftrack_api.event.subscription import Subscription as TheirSubscription

EVENT: dict[str, Any] = {
    "topic": "render.done",
    "id": "e1",
    "data": {"x": "1", "n": 1, "none": None, "list": ["a", "b"], "deep": {"er": {"y": "yes"}}, "empty": ""},
    "sent": None,
    "source": {"id": "hub1", "user": {"username": "ann"}},
    "target": "",
    "inReplyToEvent": None,
}

EXPRESSIONS = (
    "topic=render.done",
    "topic=render.*",
    "topic=done*",
    "topic=*",
    "topic=render",
    "topic!=render.done",
    "topic!=other",
    'topic="render.done"',
    "topic='render.done'",
    "topic = render.done and data.x = 1",
    "data.x=1",
    "data.x>0",
    "data.x<=1",
    "data.n=1",
    "data.n!=1",
    "data.n>0",
    "not data.n>0",
    "data.n=1*",
    "data.none=x",
    "data.none=x*",
    "data.list=a*",
    "data.list=c*",
    "data.deep=er*",
    "data.deep.er.y=yes",
    "data.deep.er.y.z=yes",
    "data.missing!=x",
    "not data.missing=x",
    "data.empty=''",
    "data.empty!=x",
    "source.user.username=ann",
    "source.id=hub1 or topic=nothing",
    "(topic=nothing or topic=render.done) and data.x=1",
    "topic=nothing or topic=render.done and data.x=2",
    "not topic=nothing and data.x=1",
    "NOT topic=nothing AND data.x=1 Or data.n=7",
    "topic=render.done or data.n>0",
    "topic=nothing and data.n>0",
)


def theirs(text: str, event: dict[str, Any]) -> bool:
    try:
        return bool(
            TheirSubscription(text).includes(TheirEvent(**{k: v for k, v in event.items() if k != "inReplyToEvent"}))
        )
    except (TypeError, IndexError):
        return False


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_means_what_the_client_makes_of_it(text: str) -> None:
    assert fits(parsed(text), EVENT) is theirs(text, EVENT)


_FIELDS = st.sampled_from(
    ["topic", "data.x", "data.n", "data.list", "data.none", "data.deep.er.y", "data.no", "source.id"]
)
_OPERATORS = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
_VALUES = st.sampled_from(["1", "render.*", "render.done", "a*", '"yes"', "hub1", "0", "e*"])
_COMPARISONS = st.builds(lambda *parts: "".join(parts), _FIELDS, _OPERATORS, _VALUES)
_TEXTS = st.recursive(
    _COMPARISONS,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})" if text.count("(") < 3 else text),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda each: f"({each[0]}) {each[1]} ({each[2]})"),
    ),
    max_leaves=3,
)


@settings(deadline=None, max_examples=25)
@given(_TEXTS)
def test_any_expression_means_what_the_client_makes_of_it(text: str) -> None:
    expression = parsed(text)

    assert fits(expression, EVENT) is theirs(text, EVENT)
    if fits(expression, EVENT):
        assert may_fit_topic(expression, EVENT["topic"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "render.*",
        "render.done",
        "*",
        "topic",
        "topic=",
        "=x",
        "topic=a and",
        "(topic=a",
        "a b=c",
        "x" * 9_000,
    ],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises((QuerySyntaxError, QueryTooComplex)):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("topic=a", "a"),
        ("data.x=1 and topic=a", "a"),
        ("topic=a.*", None),
        ("topic=a or topic=b", None),
        ("not topic=a", None),
        ("topic!=a", None),
    ],
)
def test_what_can_only_fit_one_topic_is_known(text: str, topic: str | None) -> None:
    assert only_topic(parsed(text)) == topic
    assert may_fit_topic(parsed(text), "a") is (text not in ("not topic=a", "topic!=a", "topic=a.*"))


class Someone:
    """A member of a channel."""

    def offer(self, packet: str) -> None: ...

    def end(self, reason: str) -> None: ...


def subscription(name: str, text: str, since: int = 0, **metadata: Any) -> Subscription:
    return Subscription(name, parsed(text), {"id": name, **metadata}, since, only_topic(parsed(text)))


def test_only_what_came_after_a_subscription_reaches_it() -> None:
    ann, bob = Someone(), Someone()
    wanting = [(ann, subscription("s1", "topic=render.done", since=5)), (bob, subscription("s2", "topic=*", since=6))]

    assert list(reached(wanting, EVENT, 5, Target(""), "ann")) == []
    assert list(reached(wanting, EVENT, 6, Target(""), "ann")) == [ann]
    assert list(reached(wanting, EVENT, 7, Target(""), "ann")) == [ann, bob]


def test_the_subscriber_who_is_meant_must_be_the_one_whose_subscription_fits() -> None:
    ann = Someone()
    wanting = [(ann, subscription("s1", "topic=render.done")), (ann, subscription("s2", "topic=other"))]

    assert list(reached(wanting, EVENT, 1, Target("id=s1"), "ann")) == [ann]
    assert list(reached(wanting, EVENT, 1, Target("id=s2"), "ann")) == []


# --- packets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("1::", Packet("1")),
        ("2:::", Packet("2")),
        ("0", Packet("0")),
        ('5:1+::{"a":":"}', Packet("5", "1+", "", '{"a":":"}')),
        ("5:12:/room:x", Packet("5", "12", "/room", "x")),
    ],
)
def test_packets_are_read(text: str, packet: Packet) -> None:
    assert read_packet(text) == packet


@pytest.mark.parametrize("text", ["", "x", "9::", "55::", "5:x+::{}", "5:-1::{}", "5:" + "1" * 30 + "::{}", "\u0665::"])
def test_what_is_no_packet_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no packet"):
        read_packet(text)


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"name":"other","args":[{}]}',
        '{"name":"ftrack.event"}',
        '{"name":"ftrack.event","args":[1]}',
    ],
)
def test_what_holds_no_event_is_refused(data: str) -> None:
    with pytest.raises(ValueError, match=r"packet|events"):
        event_of(Packet("5", "1+", "", data))


def test_an_event_comes_through_a_packet_unchanged() -> None:
    event = {**EVENT, "data": {"text": 'ä:"{}\n\u2028'}}

    assert event_of(read_packet(sent_event(event))) == event


def test_who_wants_to_know_is_told_in_the_form_that_was_asked_for() -> None:
    assert acknowledged(Packet("5", "7+"), {"success": True}) == '6:::7+[{"success": true}]'
    assert acknowledged(Packet("5", "7"), {"success": True}) == "6:::7"
    assert acknowledged(Packet("5"), {"success": True}) is None


# --- envelopes ------------------------------------------------------------------------------------


def journaled(sent: dict[str, Any], actor: str = "ann") -> Event:
    found = published(read_sent(sent), actor)
    names = ("topic", "data", "target", "source", "reply_to", "origin")
    values = {name: getattr(found, name) for name in names}
    return Event(revision=3, place=1, commit=b"c" * 16, actor=actor, time=1_600_000_000_123_456, **values)


def test_an_event_is_delivered_as_it_was_sent_with_its_moment() -> None:
    assert delivered(journaled(EVENT)) == {**EVENT, "sent": "2020-09-13T12:26:40.123"}


def test_nobody_speaks_in_the_name_of_another() -> None:
    source = {"id": "hub", "user": {"username": "administrator", "id": "7"}}

    assert delivered(journaled({**EVENT, "source": source}))["source"] == {
        "id": "hub",
        "user": {"username": "ann", "id": "7"},
    }


def test_an_event_of_a_session_of_ours_has_all_that_a_client_needs() -> None:
    event = Event(topic="x", revision=1, place=1, commit=b"c" * 16, actor="ann", source="s1", data={"a": 1})

    shown = delivered(event)

    assert set(shown) == set(EVENT)
    assert shown["id"] == event.id
    assert shown["source"] == {"id": "s1", "user": {"username": "ann"}}
    assert dict(TheirEvent(**{k: v for k, v in shown.items() if k != "inReplyToEvent"}))["topic"] == "x"


def test_replies_are_replies_for_both_kinds_of_sessions() -> None:
    reply = journaled({**EVENT, "topic": "ftrack.meta.reply", "inReplyToEvent": "e0", "target": "id=hub2"})

    assert (reply.topic, reply.reply_to, reply.source) == ("recordroom.reply", "e0", "hub1")
    assert (delivered(reply)["topic"], delivered(reply)["inReplyToEvent"]) == ("ftrack.meta.reply", "e0")


@pytest.mark.parametrize("topic", ["ftrack.meta.connected", "ftrack.meta.disconnected", "ftrack.meta.anything"])
def test_what_clients_tell_themselves_nobody_else_tells_them(topic: str) -> None:
    with pytest.raises(InvalidValue):
        published(read_sent({**EVENT, "topic": topic}), "ann")


@pytest.mark.parametrize("wrong", [{"topic": 1}, {"topic": None}, {"source": "me"}, {"target": 7}, {"id": None}])
def test_what_is_no_event_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        read_sent({**EVENT, **wrong})


def test_a_target_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(QuerySyntaxError):
        published(read_sent({**EVENT, "target": "id=="}), "ann")


@pytest.mark.parametrize(
    ("target", "reached", "shown"),
    [
        ("", True, ""),
        ("id=s1", True, "id=s1"),
        ("id=s2", False, None),
        ("host=here and id=s*", True, "host=here and id=s*"),
        ("s1", True, 'id="s1"'),
        ("ann", True, ""),
        ("bob", False, None),
        ("actor=ann", True, ""),
        ("actor=bob", False, None),
        ("user.name=ann", False, None),
    ],
)
def test_a_target_means_subscribers_and_is_told_in_words_that_the_client_can_judge(
    target: str, reached: bool, shown: str | None
) -> None:
    subscriber = {"id": "s1", "host": "here"}

    assert Target(target).reaches(subscriber, "ann") is reached
    if shown is not None:
        assert Target(target).shown("ann") == shown
