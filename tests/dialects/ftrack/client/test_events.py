"""The hub of the drop-in client: within a session, through a room in this process, and through a server.

There, sessions of three kinds hear each other: of this client, of the unmodified one, and native ones.
"""

from __future__ import annotations

import logging
import operator
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import recordroom as rr
from recordroom.dialects.ftrack.client import exception as e
from recordroom.dialects.ftrack.client.event.base import Event
from recordroom.dialects.ftrack.client.event.expression import All, Condition, Expression, Not, Parser
from recordroom.dialects.ftrack.client.event.expression import Any as AnyOf
from recordroom.dialects.ftrack.client.event.hub import EventHub
from recordroom.dialects.ftrack.client.event.link import Link
from recordroom.dialects.ftrack.client.event.subscriber import Subscriber
from recordroom.dialects.ftrack.client.event.subscription import Subscription
from tests.dialects.ftrack.client.dropins import Dropins, embedded_dropins, served_dropins
from tests.dialects.ftrack.hubs import Event as TheirEvent
from tests.dialects.ftrack.hubs import Hubs, Stage, settle
from tests.dialects.ftrack.hubs import until as until_theirs
from tests.served import served

_PATIENCE = 20


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events-room")


@pytest.fixture(params=["embedded", "served"])
def dropins(request: pytest.FixtureRequest, room: Path, studio: Stage) -> Iterator[Dropins]:
    made = embedded_dropins(room) if request.param == "embedded" else served_dropins(studio)
    with made as found:
        yield found


@pytest.fixture(scope="module", params=["embedded", "served"])
def sessions(request: pytest.FixtureRequest, room: Path, studio: Stage) -> Iterator[list[Any]]:
    """Three sessions with connected hubs, for all tests: each has topics of its own."""
    made = embedded_dropins(room) if request.param == "embedded" else served_dropins(studio)
    with made as found:
        several = [found() for _ in range(3)]
        for each in several:
            each.event_hub.connect()
        yield several


@pytest.fixture
def hubs(sessions: list[Any]) -> list[EventHub]:
    """The hubs of three sessions."""
    return [each.event_hub for each in sessions]


@pytest.fixture
def online(studio: Stage) -> Iterator[Dropins]:
    with served_dropins(studio) as found:
        yield found


@pytest.fixture
def theirs(studio: Stage) -> Iterator[Hubs]:
    found = Hubs(studio.server.url, studio.user, studio.key)
    yield found
    found.close()


@pytest.fixture
def hub() -> EventHub:
    return EventHub("http://127.0.0.1:1", "ann", "key")


def connected(dropins: Dropins, **given: Any) -> Any:
    """The hub of a new session, which is connected."""
    found = dropins(**given).event_hub
    found.connect()
    return found


def until(condition: Callable[[], Any], *hubs: Any) -> Any:
    """What `condition` gives once that is true; the hubs handle events meanwhile."""
    for _ in range(_PATIENCE * 10):
        found = condition()
        if found:
            return found
        for each in hubs:
            each.wait(0)
    raise AssertionError("it does not come")


# --- events, subscribers, expressions ----------------------------------------------------------------------


def test_an_event_is_a_mapping_with_a_topic() -> None:
    event = Event("x", data={"a": 1})

    assert sorted(event) == ["data", "id", "in_reply_to_event", "sent", "source", "target", "topic"]
    assert (event["topic"], event["data"], event["source"], event["target"], event["sent"]) == (
        "x",
        {"a": 1},
        {},
        "",
        None,
    )
    event["target"] = "id=1"
    del event["sent"]
    assert (len(event), event["target"], event.is_stopped()) == (6, "id=1", False)
    event.stop()
    assert event.is_stopped()
    assert Event("x")["id"] != event["id"]


CANDIDATE = {"topic": "ftrack.update", "data": {"user": {"name": "ann"}, "count": 5, "tags": ["a"]}, "none": None}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("topic=ftrack.update", True),
        ("topic=other", False),
        ("topic!=other", True),
        ("topic=ftrack*", True),
        ("topic=update*", True),  # a star fits anywhere
        ("data.user.name=ann", True),
        ("data.user.name='ann' and topic=\"ftrack.update\"", True),
        ("data.user.missing=ann", False),
        ("data.count=5", False),  # values are texts
        ("data.count>4", False),  # what cannot be compared does not fit
        ("not topic=other", True),
        ("topic=a or topic=ftrack.update", True),
        ("topic=a OR (topic=ftrack.update AND NOT data.user.name=bob)", True),
        ("not topic=a and topic=b", False),
        ("none=x*", False),
        ("data.tags=a*", True),
    ],
)
def test_expressions_mean_what_listeners_expect(text: str, fits: bool) -> None:
    assert Parser().parse(text).match(CANDIDATE) is fits
    assert Subscription(text).includes(CANDIDATE) is fits


@pytest.mark.parametrize("text", ["", "  ", "topic", "topic=", "=x", "topic=a and", "(topic=a", "topic=a topic=b", "*"])
def test_what_is_no_expression_is_said(text: str) -> None:
    with pytest.raises(e.ParseError) as caught:
        Subscription(text)
    assert str(caught.value)


def test_expressions_can_be_put_together_by_hand() -> None:
    topic = Condition("topic", operator.eq, "ftrack.update")

    assert All([topic, Not(Condition("data.user.name", operator.eq, "bob"))]).match(CANDIDATE)
    assert AnyOf([Condition("topic", operator.gt, "z"), topic]).match(CANDIDATE)
    assert (All().match({}), AnyOf().match({}), Expression().match({})) == (True, False, True)
    assert str(Not(All([topic]))) == "<Not <All [<Condition topic=ftrack.update>]>>"


def test_a_subscriber_knows_what_it_wants() -> None:
    subscriber = Subscriber("topic=x", print, {"id": "1"}, 100)

    assert (subscriber.interested_in(Event("x")), subscriber.interested_in(Event("y"))) == (True, False)
    assert str(subscriber) == "<Subscriber metadata={'id': '1'} subscription=\"topic=x\">"


# --- within a session --------------------------------------------------------------------------------------


def test_a_hub_knows_where_it_is(hub: EventHub) -> None:
    assert (hub.get_server_url(), hub.get_network_location()) == ("http://127.0.0.1:1", "127.0.0.1:1")
    assert (hub.secure, hub.connected) == (False, False)
    assert EventHub("https://x.example.org", "", "").secure
    assert EventHub("/mnt/studio.room", "", "").get_server_url() == "/mnt/studio.room"
    with pytest.raises(TypeError):
        EventHub("https://x", "", "", headers=["a"])  # type: ignore[arg-type] # That is what is refused.


def test_synchronous_events_go_to_subscribers_here_by_priority(hub: EventHub) -> None:
    for number, priority in ((1, 100), (2, 50), (3, 100)):
        hub.subscribe("topic=x", lambda event, number=number: (number, event["data"]["a"]), priority=priority)
    hub.subscribe("topic=y", lambda event: "not asked")

    assert hub.publish(Event("x", data={"a": 1}), synchronous=True) == [(2, 1), (1, 1), (3, 1)]


def test_a_subscriber_may_stop_an_event(hub: EventHub) -> None:
    hub.subscribe("topic=x", lambda event: event.stop(), priority=1)
    hub.subscribe("topic=x", lambda event: "late", priority=2)

    assert hub.publish(Event("x"), synchronous=True) == [None]


def test_what_a_subscriber_raises_is_logged_and_the_others_go_on(
    hub: EventHub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.subscribe("topic=x", lambda event: 1 / 0, subscriber={"id": "mine", "team": "fx"})
    hub.subscribe("topic=x", lambda event: "fine")

    assert hub.publish(Event("x"), synchronous=True) == ["fine"]
    assert "'team': 'fx'" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_subscribers_are_found_and_ended_by_their_identifier(hub: EventHub) -> None:
    identifier = hub.subscribe("topic=x", print)
    hub.subscribe("topic=x", print, subscriber={"id": "mine"})

    assert hub.get_subscriber_by_identifier("mine").metadata == {"id": "mine"}
    assert hub.get_subscriber_by_identifier("missing") is None
    with pytest.raises(e.NotUniqueError):
        hub.subscribe("topic=y", print, subscriber={"id": identifier})
    hub.unsubscribe(identifier)
    with pytest.raises(e.NotFoundError):
        hub.unsubscribe(identifier)


def test_a_subscription_may_last_for_a_block(hub: EventHub) -> None:
    with hub.subscription("topic=x", lambda event: "heard"):
        assert hub.publish(Event("x"), synchronous=True) == ["heard"]
    assert hub.publish(Event("x"), synchronous=True) == []


def test_targets_choose_subscribers_by_what_is_said_of_them(hub: EventHub) -> None:
    hub.subscribe("topic=x", lambda event: "fx", subscriber={"team": "fx"})
    hub.subscribe("topic=x", lambda event: "any")

    assert hub.publish(Event("x", target="team=fx"), synchronous=True) == ["fx"]


def test_without_a_connection_only_what_is_synchronous_can_be_published(hub: EventHub) -> None:
    with pytest.raises(e.EventHubConnectionError):
        hub.publish(Event("x"))
    assert hub.publish(Event("x"), on_error="ignore") is None
    with pytest.raises(e.EventHubConnectionError):
        hub.wait(0)
    with pytest.raises(e.EventHubConnectionError):
        hub.disconnect()


def test_a_server_that_is_not_there_is_said(hub: EventHub) -> None:
    hub._native = lambda: (_ for _ in ()).throw(e.EventHubConnectionError("nobody"))  # type: ignore[method-assign]

    with pytest.raises(e.EventHubConnectionError):
        hub.connect()
    with pytest.raises(e.EventHubConnectionError):
        hub.reconnect(attempts=2, delay=0)
    assert hub.publish(Event("x")) is True  # it waits


# --- through a room ----------------------------------------------------------------------------------------


def test_what_is_published_is_heard_by_others_and_oneself(hubs: list[EventHub]) -> None:
    one, other, _ = hubs
    heard: list[Any] = []
    for each in (one, other):
        each.subscribe("topic=through.room and data.n=1", heard.append)

    event = Event("through.room", data={"n": "1", "list": (1, 2)})
    assert one.publish(event) is None
    until(lambda: len(heard) == 2, one, other)

    for each in heard:
        assert (each["id"], each["topic"], each["data"]) == (event["id"], "through.room", {"n": "1", "list": [1, 2]})
        assert each["source"]["id"] == one.id
        assert each["source"]["host"]
        assert each["sent"]
        assert each["in_reply_to_event"] is None


def test_callbacks_are_called_while_somebody_waits(hubs: list[EventHub]) -> None:
    hub = hubs[0]
    threads: list[Any] = []
    hub.subscribe("topic=in.thread", lambda event: threads.append(threading.current_thread()))

    hub.publish(Event("in.thread"))
    until(lambda: threads, hub)

    assert threads == [threading.current_thread()]


def test_an_answer_goes_to_whoever_asked(hubs: list[EventHub]) -> None:
    asking, answering, other = hubs
    answering.subscribe("topic=ask", lambda event: {"twice": event["data"]["n"] * 2}, subscriber={"id": "doubler"})
    replies: list[Any] = []
    overheard: list[Any] = []
    other.subscribe("topic=ftrack.meta.reply", overheard.append)

    event = Event("ask", data={"n": 4})
    asking.publish(event, on_reply=replies.append)
    until(lambda: replies, asking, answering, other)

    [reply] = replies
    assert (reply["topic"], reply["data"], reply["in_reply_to_event"]) == (
        "ftrack.meta.reply",
        {"twice": 8},
        event["id"],
    )
    assert reply["source"]["id"] == "doubler"
    other.wait(0.2)
    assert overheard == []


def test_subscribers_hear_what_comes_after_them(hubs: list[EventHub]) -> None:
    one, other, _ = hubs
    late: list[Any] = []
    early: list[Any] = []
    other.subscribe("topic=before.after", early.append)

    one.publish(Event("before.after", data={"n": 1}))
    until(lambda: early, other)
    other.subscribe("topic=before.after", late.append)
    one.publish(Event("before.after", data={"n": 2}))
    until(lambda: late, other)

    assert [each["data"]["n"] for each in early] == [1, 2]
    assert [each["data"]["n"] for each in late] == [2]


def test_subscriptions_from_before_the_connection_count(dropins: Dropins) -> None:
    session = dropins()
    heard: list[Any] = []
    session.event_hub.subscribe("topic=early.bird", heard.append)
    session.event_hub.subscribe("topic=ftrack.meta.connected", heard.append)

    session.event_hub.connect()
    session.event_hub.publish(Event("early.bird"))
    until(lambda: len(heard) == 2, session.event_hub)

    assert [each["topic"] for each in heard] == ["ftrack.meta.connected", "early.bird"]


def test_a_hub_connects_in_the_background_and_sends_what_waited(dropins: Dropins) -> None:
    listening = connected(dropins)
    heard: list[Any] = []
    listening.subscribe("topic=at.once", heard.append)

    session = dropins(auto_connect_event_hub=True)
    session.event_hub.publish(Event("at.once"))

    assert until(lambda: heard, listening)[0]["source"]["id"] == session.event_hub.id
    until(lambda: session.event_hub.connected, listening)


def test_whoever_subscribes_while_a_hub_connects_hears_of_commits(
    dropins: Dropins, unique: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = dropins().event_hub
    heard: list[Any] = []
    start = Link.start

    def slow(self: Link, *, updates: bool) -> int:
        position = start(self, updates=updates)
        hub.subscribe("topic=ftrack.update", heard.append)
        return position

    monkeypatch.setattr(Link, "start", slow)
    hub.connect()
    monkeypatch.undo()
    session = dropins()
    session.create("User", {"username": unique("late")})
    session.commit()

    assert until(lambda: heard, hub)[0]["data"]["entities"][0]["entity_type"] == "User"


def test_targets_reach_some_subscribers_of_all_sessions(hubs: list[EventHub]) -> None:
    one, other, _ = hubs
    heard: list[Any] = []
    other.subscribe("topic=aimed", lambda event: heard.append("fx"), subscriber={"team": "fx"})
    other.subscribe("topic=aimed", lambda event: heard.append("light"), subscriber={"team": "light"})
    other.subscribe("topic=aimed.end", lambda event: heard.append("end"))

    one.publish(Event("aimed", target="team=fx"))
    one.publish(Event("aimed.end"))
    until(lambda: "end" in heard, other)

    assert heard == ["fx", "end"]


def test_commits_are_heard_as_updates(sessions: list[Any], unique: Callable[[str], str]) -> None:
    session, hub = sessions[0], sessions[1].event_hub
    heard: list[Any] = []
    hub.subscribe("topic=ftrack.update", heard.append)
    schema = session.query("ProjectSchema").first()

    name = unique("project")
    project = session.create("Project", {"name": name, "full_name": name, "project_schema": schema})
    shot = session.create("Shot", {"name": "sh010", "parent": project})
    session.commit()
    shot["name"] = "sh020"
    session.commit()
    session.delete(shot)
    session.commit()

    def told() -> list[Any]:
        entities = [each for event in heard for each in event["data"]["entities"]]
        return [each for each in entities if each["entityId"] == shot["id"]]

    until(lambda: len(told()) == 3, hub)
    added, updated, removed = told()
    assert (added["action"], added["entityType"], added["entity_type"]) == ("add", "task", "Shot")
    assert [each["entityId"] for each in added["parents"]] == [shot["id"], project["id"]]
    assert (updated["action"], updated["keys"]) == ("update", ["name"])
    assert updated["changes"] == {"name": {"old": "sh010", "new": "sh020"}}
    assert removed["action"] == "remove"


def test_components_in_locations_are_told_of(sessions: list[Any], tmp_path: Path) -> None:
    session, hub = sessions[0], sessions[1].event_hub
    heard: list[Any] = []
    hub.subscribe("topic=ftrack.location.component-*", heard.append)
    (tmp_path / "x.txt").write_text("x")

    component = session.create_component(str(tmp_path / "x.txt"), location="auto")
    location = session.pick_location(component)
    location.remove_component(component)

    def told() -> list[str]:
        return [each["topic"] for each in heard if each["data"]["component_id"] == component["id"]]

    until(lambda: len(told()) == 2, hub)
    assert told() == ["ftrack.location.component-added", "ftrack.location.component-removed"]
    assert {each["data"]["location_id"] for each in heard if each["data"]["component_id"] == component["id"]} == {
        location["id"]
    }


def test_after_unsubscribing_and_disconnecting_nothing_is_heard(dropins: Dropins) -> None:
    one, other = connected(dropins), connected(dropins)
    heard: list[Any] = []
    identifier = other.subscribe("topic=gone", lambda event: heard.append("gone"))
    other.subscribe("topic=gone", lambda event: heard.append("stays"))

    other.unsubscribe(identifier)
    one.publish(Event("gone"))
    until(lambda: heard, other)
    other.disconnect()

    assert heard == ["stays"]
    assert (other.connected, other.get_subscriber_by_identifier(identifier)) == (False, None)
    with pytest.raises(e.EventHubConnectionError):
        other.publish(Event("x"))


def test_a_hub_connects_again_with_its_subscribers(dropins: Dropins) -> None:
    one, other = connected(dropins), connected(dropins)
    heard: list[Any] = []
    other.subscribe("topic=once.more", heard.append)

    with pytest.raises(e.EventHubConnectionError, match="Already"):
        other.connect()
    other.reconnect(attempts=1)
    one.publish(Event("once.more"))

    assert until(lambda: heard, other)


def test_a_session_that_is_closed_takes_its_hub_with_it(dropins: Dropins) -> None:
    session = dropins()
    hub = session.event_hub
    hub.connect()

    session.close()
    session.close()

    assert not hub.connected
    with pytest.raises(e.EventHubConnectionError):
        hub.publish(Event("x"))


def test_what_cannot_be_published_is_logged(hubs: list[EventHub], caplog: pytest.LogCaptureFixture) -> None:
    hub = hubs[0]

    with caplog.at_level(logging.ERROR):
        hub.publish(Event("x", data={"not": object()}))
        hub.publish(Event("ftrack.meta.subscribe", data={}))

    assert caplog.text.count("cannot be published") == 2


def test_a_hub_of_its_own_has_a_session_while_it_is_connected(studio: Stage, online: Dropins) -> None:
    hub = EventHub(studio.server.url, studio.user, studio.key)
    listening = connected(online)
    heard: list[Any] = []
    listening.subscribe("topic=alone", heard.append)

    hub.connect()
    hub.publish(Event("alone"))
    until(lambda: heard, listening)
    hub.disconnect()

    assert heard[0]["source"]["id"] == hub.id
    with pytest.raises(e.EventHubConnectionError):
        EventHub(studio.server.url, studio.user, "rrk_wrong").connect()


def test_what_was_published_goes_out_before_a_session_ends(dropins: Dropins) -> None:
    session, listening = dropins(), connected(dropins)
    heard: list[Any] = []
    listening.subscribe("topic=last.words", heard.append)
    session.event_hub.connect()

    for number in range(20):
        session.event_hub.publish(Event("last.words", data={"n": number}))
    session.close()

    until(lambda: len(heard) == 20, listening)
    assert [each["data"]["n"] for each in heard] == list(range(20))


def test_what_nobody_wants_is_not_kept_for_who_never_waits(hubs: list[EventHub]) -> None:
    one, other, _ = hubs
    other.subscribe("topic=kept", print, subscriber={"team": "fx"})
    marks: list[Any] = []
    one.subscribe("topic=kept.end", marks.append)
    while not other._event_queue.empty():
        other._event_queue.get()

    for number in range(10):
        one.publish(Event("not.wanted", data={"n": number}))
        one.publish(Event("kept", target="team=light"))
    one.publish(Event("kept", target="team=fx"))
    one.publish(Event("kept.end"))
    until(lambda: marks, one)
    until(lambda: not other._event_queue.empty(), one)

    assert other._event_queue.qsize() == 1


def test_a_server_that_was_away_is_heard_again(tmp_path: Path) -> None:
    where = str(tmp_path / "away.room")
    with rr.connect(where) as session:
        session.apply_template("production")
    with served(where, accounts=True, dialects=("ftrack",)) as server:
        key, port = server.api_key, server.port
        made = Dropins(server.url, api_user="administrator", api_key=key)
        hub = connected(made)
        heard: list[Any] = []
        hub.subscribe("topic=ftrack.meta.connected", heard.append)
        hub.subscribe("topic=was.away", heard.append)
        until(lambda: heard, hub)
    until(lambda: not hub.connected, hub)
    hub.publish(Event("was.away"))

    with served(where, accounts=True, dialects=("ftrack",), api_key=key, port=port):
        until(lambda: len(heard) == 3, hub)
        made.close()

    assert [each["topic"] for each in heard] == ["ftrack.meta.connected", "ftrack.meta.connected", "was.away"]


# --- with sessions of other kinds --------------------------------------------------------------------------


def test_it_and_the_unmodified_client_hear_and_answer_each_other(online: Dropins, theirs: Hubs) -> None:
    mine, other = connected(online), theirs()
    heard: list[Any] = []
    replies: list[Any] = []
    other.subscribe("topic=mixed.mine", lambda event: heard.append(event) or {"from": "theirs"})
    mine.subscribe("topic=mixed.theirs and source.user.username=administrator", lambda event: {"from": "mine"})
    settle(other)

    to_them = Event("mixed.mine", data={"n": 1})
    mine.publish(to_them, on_reply=replies.append)
    until_theirs(lambda: heard, other)
    until(lambda: replies, mine)
    assert (heard[0]["id"], heard[0]["source"]["id"]) == (to_them["id"], mine.id)
    assert (replies[0]["data"], replies[0]["in_reply_to_event"]) == ({"from": "theirs"}, to_them["id"])

    answers: list[Any] = []
    to_me = TheirEvent("mixed.theirs", data={"n": 2})
    other.publish(to_me, on_reply=answers.append)
    until_theirs(lambda: mine.wait(0) or answers, other)
    assert (answers[0]["data"], answers[0]["in_reply_to_event"]) == ({"from": "mine"}, to_me["id"])


def test_it_and_native_sessions_hear_and_answer_each_other(dropins: Dropins) -> None:
    mine, native = connected(dropins), dropins.native()
    native.events.subscribe("topic=mixed.mine", lambda event: {"from": "native"}, answers=True)
    mine.subscribe("topic=mixed.native", lambda event: {"from": "mine"})
    replies: list[Any] = []
    answers: list[Any] = []

    mine.publish(Event("mixed.mine"), on_reply=replies.append)
    until(lambda: native.events.wait(0.05) >= 0 and replies, mine)
    assert (replies[0]["data"], replies[0]["topic"]) == ({"from": "native"}, "ftrack.meta.reply")

    native.events.publish("mixed.native", {"n": 1}, on_reply=answers.append)
    until(lambda: native.events.wait(0.05) >= 0 and answers, mine)
    assert answers[0].data == {"from": "mine"}


def test_updates_are_those_that_the_unmodified_client_gets(
    online: Dropins, theirs: Hubs, unique: Callable[[str], str]
) -> None:
    session, mine, other = online(), connected(online), theirs()
    heard: dict[str, list[Any]] = {"mine": [], "theirs": []}
    mine.subscribe("topic=ftrack.update", heard["mine"].append)
    other.subscribe("topic=ftrack.update", heard["theirs"].append)
    settle(other)

    user = session.create("User", {"username": unique("told"), "email": "told@example.org"})
    session.commit()

    def about(events: list[Any]) -> list[Any]:
        return [dict(each) for each in events if any(of["entityId"] == user["id"] for of in each["data"]["entities"])]

    until(lambda: about(heard["mine"]), mine)
    until_theirs(lambda: about(heard["theirs"]), other)
    assert about(heard["mine"]) == about(heard["theirs"])


def test_nobody_speaks_in_the_name_of_another(online: Dropins, studio: Stage, theirs: Hubs) -> None:
    key = studio.person("impostor", ("read", "User", None))
    impostor = connected(online, api_user="impostor", api_key=key)
    other, mine = theirs(), connected(online)
    heard: list[Any] = []
    for each in (other, mine):
        each.subscribe("topic=forged", heard.append)
    settle(other)

    impostor.publish(Event("forged", source={"id": "x", "user": {"username": "administrator"}}))
    until_theirs(lambda: mine.wait(0) or len(heard) == 2, other)

    assert [each["source"]["user"]["username"] for each in heard] == ["impostor", "impostor"]


def test_people_hear_of_what_the_rules_let_them_see(
    online: Dropins, studio: Stage, unique: Callable[[str], str]
) -> None:
    key = studio.person("outsider", ("read", "User", None))
    hub, session = connected(online, api_user="outsider", api_key=key), online()
    heard: list[Any] = []
    hub.subscribe("topic=ftrack.update", heard.append)
    schema = session.query("ProjectSchema").first()

    name = unique("secret")
    session.create("Project", {"name": name, "full_name": name, "project_schema": schema})
    session.commit()
    user = session.create("User", {"username": unique("public")})
    session.commit()

    def told() -> list[str]:
        return [each["entityId"] for event in heard for each in event["data"]["entities"]]

    until(lambda: user["id"] in told(), hub)
    assert told() == [user["id"]]
    assert name not in str(heard)


def test_waiting_ends_when_nothing_can_come_any_more(online: Dropins, studio: Stage) -> None:
    studio.person("leaving", ("read", "User", None))
    key, token = studio.new_key("leaving")
    hub = connected(online, api_user="leaving", api_key=key)
    heard: list[Any] = []
    hub.subscribe("topic=ftrack.meta.disconnected", heard.append)

    assert studio.server.request("DELETE", f"/v1/tokens/{token}").status < 300
    hub.wait()

    assert [each["topic"] for each in heard] == ["ftrack.meta.disconnected"]
    assert not hub.connected
