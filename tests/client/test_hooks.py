"""`session.hooks`, and the classes that hooks give to entity types: in a session's own process, whatever its room."""

from __future__ import annotations

import logging
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.hooks import HOOKS, HookEvent
from recordroom.client.session import Session
from recordroom.errors import InvalidValue, NotUnique, SessionRefused
from recordroom.model.operations import DefineAttribute
from recordroom.model.schema import Attribute
from tests.client.conftest import Connect

sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
embedded = pytest.mark.parametrize("transport", ["embedded"], indirect=True)
pytestmark = [sqlite]


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """The messages of the warnings that a test expects."""
    messages: list[str] = []
    with pytest.warns(rr.PluginWarning) as found:
        yield messages
    messages += [str(each.message) for each in found]


# --- subscribing and publishing -------------------------------------------------------------------


@embedded
def test_subscribers_are_called_by_priority_and_their_results_come_in_order(session: Session) -> None:
    session.hooks.subscribe("studio.check", lambda event: ("last", event.data["shot"]), priority=200)
    session.hooks.subscribe("studio.check", lambda event: ("middle", event.data["shot"]))
    session.hooks.subscribe("studio.check", lambda event: ("first", event.data["shot"]), priority=0)
    session.hooks.subscribe("studio.other", lambda event: "another")

    assert session.hooks.publish("studio.check", shot="sh1") == [("first", "sh1"), ("middle", "sh1"), ("last", "sh1")]


@embedded
def test_subscribers_of_one_priority_are_called_in_the_order_they_came(session: Session) -> None:
    for number in range(5):
        session.hooks.subscribe("studio.check", lambda event, number=number: number)

    assert session.hooks.publish("studio.check") == [0, 1, 2, 3, 4]


@embedded
def test_a_subscriber_that_stops_an_event_is_its_last(session: Session) -> None:
    def stops(event: HookEvent) -> str:
        event.stop()
        return "stopped"

    session.hooks.subscribe("studio.check", lambda event: "before", priority=1)
    session.hooks.subscribe("studio.check", stops, priority=2)
    session.hooks.subscribe("studio.check", lambda event: "after", priority=3)

    assert session.hooks.publish("studio.check") == ["before", "stopped"]


@embedded
def test_what_is_asked_is_answered_by_the_first_who_knows(session: Session) -> None:
    called: list[str] = []
    session.hooks.subscribe("file-type", lambda event: called.append("shy"))
    session.hooks.subscribe("file-type", lambda event: ".tar.gz" if event.data["path"].endswith(".tar.gz") else None)
    session.hooks.subscribe("file-type", lambda event: called.append("late"))

    assert session.hooks.ask("file-type", path="a.tar.gz") == ".tar.gz"
    assert called == ["shy"]
    assert session.hooks.ask("file-type", path="a.txt") is None


@embedded
def test_a_subscriber_of_everything_hears_every_hook_with_its_session(session: Session) -> None:
    heard: list[tuple[str, Session]] = []
    session.hooks.subscribe("*", lambda event: heard.append((event.topic, event.session)))
    session.hooks.publish("ready")
    session.hooks.publish("studio.x")

    assert heard == [("ready", session), ("studio.x", session)]


@embedded
def test_after_unsubscribing_nothing_is_heard(session: Session) -> None:
    with session.hooks.subscribe("ready", lambda event: 1) as hook:
        assert session.hooks.publish("ready") == [1]
    hook.unsubscribe()

    assert session.hooks.publish("ready") == []
    assert list(session.hooks) == []


@embedded
def test_a_subscriber_may_unsubscribe_and_subscribe_while_it_is_called(session: Session) -> None:
    def once(event: HookEvent) -> str:
        hook.unsubscribe()
        session.hooks.subscribe("ready", lambda event: "new")
        return "old"

    hook = session.hooks.subscribe("ready", once)

    assert session.hooks.publish("ready") == ["old"]
    assert session.hooks.publish("ready") == ["new"]


@embedded
def test_an_id_is_taken_once(session: Session) -> None:
    first = session.hooks.subscribe("ready", print, id="mine")
    with pytest.raises(NotUnique, match="'mine'"):
        session.hooks.subscribe("reset", print, id="mine")
    first.unsubscribe()

    assert session.hooks.subscribe("reset", print, id="mine").id == "mine"


@embedded
@pytest.mark.parametrize("topic", ["redy", "", "construct_type"])
def test_a_topic_that_nobody_publishes_is_refused(session: Session, topic: str) -> None:
    with pytest.raises(InvalidValue, match="a name of your own with a dot"):
        session.hooks.subscribe(topic, print)


@embedded
def test_a_topic_that_is_nearly_right_is_told(session: Session) -> None:
    with pytest.raises(InvalidValue, match="Did you mean 'ready'"):
        session.hooks.subscribe("redy", print)


@embedded
def test_what_cannot_be_called_is_refused(session: Session) -> None:
    with pytest.raises(InvalidValue):
        session.hooks.subscribe("ready", "print")  # type: ignore[arg-type]


def test_sessions_have_hooks_of_their_own(session: Session, other: Session) -> None:
    session.hooks.subscribe("ready", lambda event: 1)

    assert other.hooks.publish("ready") == []


# --- what goes wrong ------------------------------------------------------------------------------


def fails(event: HookEvent) -> None:
    raise ZeroDivisionError("on purpose")


@embedded
def test_a_subscriber_that_raises_is_told_by_name_and_stops_nobody(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    session.hooks.subscribe("studio.check", fails, priority=1)
    session.hooks.subscribe("studio.check", lambda event: "fine")
    with pytest.warns(rr.PluginWarning, match=r"test_hooks\.fails on 'studio.check'.*ZeroDivisionError: on purpose"):
        found = session.hooks.publish("studio.check")

    assert found == ["fine"]
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("recordroom.hooks", logging.WARNING)
    assert "in fails" in caplog.text


@embedded
def test_a_subscriber_that_means_to_stops_the_session(session: Session) -> None:
    def refuses(event: HookEvent) -> None:
        raise SessionRefused(reason="the licence has ended")

    session.hooks.subscribe("studio.check", refuses)
    with pytest.raises(SessionRefused, match="the licence has ended"):
        session.hooks.publish("studio.check")


# --- when hooks are published ---------------------------------------------------------------------


def test_reset_configures_locations_again_and_says_so(session: Session) -> None:
    heard: list[str] = []
    session.hooks.subscribe("*", lambda event: heard.append(event.topic))
    session.reset()

    # To give a class to a type is asked when its class is made.
    assert [each for each in heard if each != "construct-type"] == ["configure-location", "reset"]
    assert heard.count("construct-type") == len(session.schema)


@embedded
def test_every_hook_that_is_described_can_be_subscribed_to(session: Session) -> None:
    for topic in HOOKS:
        assert session.hooks.subscribe(topic, print).topic == topic


# --- classes of entity types ----------------------------------------------------------------------


class Named:
    """What a plugin gives to a type."""

    __slots__ = ()

    def shout(self: Any) -> str:
        return str(self["name"]).upper()

    @property
    def is_long(self: Any) -> bool:
        return len(self["name"]) > 5


class Careful(Named):
    __slots__ = ()

    def shout(self) -> str:
        return super().shout() + "!"


def gives(cls: Any, *types: str) -> Any:
    return lambda event: cls if event.data["type"] in types else None


def test_a_type_has_what_hooks_give_to_it(session: Session) -> None:
    session.hooks.subscribe("construct-type", gives(Careful, "Task"))
    task = session.create("Task", {"name": "lighting"})
    session.commit()
    session.reset()

    found: Any = session.get("Task", task["id"])
    assert (found.shout(), found.is_long) == ("LIGHTING!", True)
    assert isinstance(found, Careful)
    assert isinstance(found, session.types["Task"])
    assert not hasattr(session.create("Project", {"name": "p"}), "shout")


def test_types_that_extend_a_type_have_what_it_was_given(session: Session) -> None:
    session.hooks.subscribe("construct-type", gives(Named, "Resource"))
    user: Any = session.create("User", {"name": "ann"})

    assert user.shout() == "ANN"
    assert session.types["User"].__mro__[1] is session.types["Resource"]


@embedded
def test_a_type_may_have_more_than_the_type_it_extends(session: Session) -> None:
    session.hooks.subscribe("construct-type", gives(Named, "Resource"))
    session.hooks.subscribe("construct-type", gives(Careful, "User"))

    assert session.create("User", {"name": "ann"}).shout() == "ANN!"  # type: ignore[attr-defined]
    assert session.create("Group", {"name": "all"}).shout() == "ALL"  # type: ignore[attr-defined]


@embedded
def test_expressions_and_attributes_stay_what_they_were(session: Session) -> None:
    session.hooks.subscribe("construct-type", gives(Named, "Task"))
    task: Any = session.types["Task"]
    session.create("Task", {"name": "a", "bid": 3})
    session.commit()

    (found,) = session.query(task.bid > 2)
    assert found["name"] == "a"
    assert found == session.get("Task", found["id"])
    with pytest.raises(AttributeError):
        found.bid  # noqa: B018


@embedded
def test_two_different_classes_for_a_type_are_an_error_that_names_both(session: Session) -> None:
    session.hooks.subscribe("construct-type", gives(Named, "Task"))
    session.hooks.subscribe("construct-type", gives(Careful, "Task"))

    with pytest.raises(InvalidValue, match=r"Task got two classes: Named by .* and Careful by"):
        session.types["Task"]
    session.create("Project", {"name": "p"})


@embedded
def test_one_class_may_be_given_twice(session: Session) -> None:
    for _ in range(2):
        session.hooks.subscribe("construct-type", gives(Named, "Task"))

    assert issubclass(session.types["Task"], Named)


class Impostor:
    _page = None


class Equal:  # noqa: PLW1641 - on purpose
    def __eq__(self, other: object) -> bool:
        return True


class Stateful:
    __slots__ = ("kept",)


@embedded
@pytest.mark.parametrize("given", ["Named", Impostor, Equal, Stateful, rr.Entity, 3])
def test_what_cannot_be_part_of_an_entity_is_refused_with_who_gave_it(session: Session, given: Any) -> None:
    session.hooks.subscribe("construct-type", gives(given, "Task"))

    with pytest.raises(InvalidValue, match=r"<Hook .* gave .* to Task"):
        session.types["Task"]


@embedded
def test_a_class_that_hides_an_attribute_in_expressions_is_told_in_the_log(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    class Hides:
        def status(self) -> str:
            return "mine"

    session.hooks.subscribe("construct-type", gives(Hides, "Task"))
    task = session.types["Task"]

    assert "hides the attributes status of Task" in caplog.text
    assert (task["status"] == "done") is not None


@embedded
def test_a_type_cannot_be_used_while_its_class_is_made(session: Session, warned: list[str]) -> None:
    session.hooks.subscribe("construct-type", lambda event: event.session.types[event.data["type"]] and None)

    assert session.types["Task"].__name__ == "Task"


@embedded
def test_a_class_is_asked_for_once_and_stays_when_the_schema_changes(session: Session) -> None:
    asked: list[str] = []
    session.hooks.subscribe("construct-type", lambda event: asked.append(event.data["type"]) or Named)
    cls = session.types["Plane"]
    weight = Attribute(name="weight", kind="integer")
    session._committer.send_operations([DefineAttribute(type="Plane", attribute=weight)], None)
    session._learn_schema()

    assert "weight" in session.schema.attributes("Plane")
    assert session.types["Plane"] is cls
    assert asked == ["Plane"]


@embedded
def test_a_session_that_reads_the_past_has_the_same_classes(session: Session) -> None:
    session.hooks.subscribe("construct-type", gives(Named, "Task"))
    task = session.create("Task", {"name": "a"})
    revision = session.commit().revision

    with session.at(revision) as past:
        assert past.get("Task", task["id"]).shout() == "A"  # type: ignore[union-attr]


@embedded
def test_entities_of_a_slotted_class_take_no_more_memory(connect: Connect) -> None:
    plain, extended = connect(), connect()
    extended.hooks.subscribe("construct-type", gives(Named, "Plane"))
    plain.create_many("Plane", {"tail": ["x"] * 1000})
    plain.commit()

    sizes = []
    for each in (plain, extended):
        each.reset()
        each.query("Plane").all()
        each.reset()
        tracemalloc.start()
        held = each.query("Plane").all()
        sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert len(held) == 1000
    assert sizes[1] < sizes[0] * 1.1
    assert not hasattr(held[0], "__dict__")
