"""Events as services and actions of studios use them, through sessions of the unmodified client."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from recordroom.server.limits import Limits
from tests.dialects.ftrack.hubs import Event, Hubs, Stage, settle, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api
    import ftrack_api.exception

Connect = Callable[..., Any]


@pytest.fixture
def hubs(studio: Stage) -> Iterator[Hubs]:
    found = Hubs(studio.server.url, studio.user, studio.key)
    yield found
    found.close()


@pytest.fixture
def online(connect: Connect) -> Callable[[], Any]:
    """Makes sessions whose hub is connected."""

    def made() -> Any:
        session = connect(auto_connect_event_hub=True)
        # It is connected before it has sent its subscriptions.
        session._auto_connect_event_hub_thread.join(20)
        settle(session.event_hub)
        return session

    return made


def test_a_session_that_connects_and_ends_has_nothing_to_complain_about(
    online: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "ftrack_api"):
        session = online()
        number = session.event_hub.subscribe("topic=a", lambda event: None)
        settle(session.event_hub)
        session.event_hub.unsubscribe(number)
        session.event_hub.publish(Event("a"))
        settle(session.event_hub)
        session.close()

    assert [each.getMessage() for each in caplog.records if each.name.startswith("ftrack_api")] == []


def test_a_subscriber_id_is_taken_once(online: Callable[[], Any]) -> None:
    session = online()
    session.event_hub.subscribe("topic=a", lambda event: None, subscriber={"id": "mine"})

    with pytest.raises(ftrack_api.exception.NotUniqueError):
        session.event_hub.subscribe("topic=b", lambda event: None, subscriber={"id": "mine"})
    assert session.event_hub.get_subscriber_by_identifier("mine").subscription is not None


def test_heartbeats_come_often_enough_for_every_client() -> None:
    assert 0 < Limits().heartbeat_seconds < 15


def test_an_action_is_discovered_and_launched(online: Callable[[], Any], hubs: Hubs, task: Any) -> None:
    service, done = online(), []

    def discover(event: Any) -> Any:
        if event["data"]["selection"] != [{"entityId": task["id"], "entityType": "task"}]:
            return None
        return {"items": [{"label": "Render", "actionIdentifier": "studio.render"}]}

    def launch(event: Any) -> Any:
        found = service.get("Task", event["data"]["selection"][0]["entityId"])
        done.append((found["name"], event["data"]["values"], event["source"]["user"]["username"]))
        return {"success": True, "message": f"Rendering {found['name']}"}

    service.event_hub.subscribe("topic=ftrack.action.discover", discover)
    service.event_hub.subscribe(
        "topic=ftrack.action.launch and data.actionIdentifier=studio.render and source.user.username=administrator",
        launch,
    )
    settle(service.event_hub)
    asking = hubs()
    selection = [{"entityId": task["id"], "entityType": "task"}]
    offers: list[Any] = []
    answers: list[Any] = []

    asking.publish(Event("ftrack.action.discover", data={"selection": []}), on_reply=offers.append)
    asking.publish(Event("ftrack.action.discover", data={"selection": selection}), on_reply=offers.append)
    until(lambda: offers, service.event_hub, asking)
    item = offers[0]["data"]["items"][0]
    for identifier in ("other.action", item["actionIdentifier"]):
        data = {"actionIdentifier": identifier, "selection": selection, "values": {"frames": "1-10"}}
        asking.publish(Event("ftrack.action.launch", data=data), on_reply=answers.append)
    until(lambda: answers, service.event_hub, asking)

    assert [each["data"] for each in answers] == [{"success": True, "message": "Rendering light"}]
    assert done == [("light", {"frames": "1-10"}, "administrator")]
    assert offers[0]["source"]["id"] != asking.id
    assert (len(offers), offers[0]["target"]) == (1, f"id={asking.id}")


def test_callbacks_run_by_priority_until_one_stops_and_none_can_break_the_others(
    online: Callable[[], Any], hubs: Hubs
) -> None:
    session, ran = online(), []

    def broken(event: Any) -> None:
        ran.append("broken")
        raise ZeroDivisionError

    def last(event: Any) -> None:
        ran.append("last")
        event.stop()

    session.event_hub.subscribe("topic=a", lambda event: ran.append("never"), priority=300)
    session.event_hub.subscribe("topic=a", last, priority=200)
    session.event_hub.subscribe("topic=a", broken, priority=1)
    session.event_hub.subscribe("topic=end", lambda event: ran.append("end"))
    settle(session.event_hub)
    one = hubs()
    one.publish(Event("a"))
    one.publish(Event("end"))

    until(lambda: "end" in ran, session.event_hub)
    assert ran == ["broken", "last", "end"]


def test_local_events_stay_local(session: Any, hubs: Hubs) -> None:
    outside: list[Any] = []
    listening = hubs()
    listening.subscribe("topic=studio.*", outside.append)
    settle(listening)
    session.event_hub.subscribe("topic=studio.question", lambda event: event["data"]["n"] + 1)

    found = session.event_hub.publish(Event("studio.question", data={"n": 1}), synchronous=True)
    listening.publish(Event("studio.end"))

    until(lambda: outside, listening)
    assert (found, [each["topic"] for each in outside]) == ([2], ["studio.end"])


def test_a_service_follows_what_people_do(online: Callable[[], Any], session: Any, task: Any, user: Any) -> None:
    """The script of many studios: when a task is done, its shot is."""
    service = online()
    done = service.query('Status where name is "Approved"').one()

    def changed(event: Any) -> None:
        for entity in event["data"].get("entities", []):
            new = entity.get("changes", {}).get("statusid", {}).get("new")
            if entity["entityType"] == "task" and entity["action"] == "update" and new == done["id"]:
                found = service.get("Task", entity["entityId"])
                if found is not None and found["parent"].entity_type == "Shot":
                    found["parent"]["status"] = done
                    service.commit()

    service.event_hub.subscribe("topic=ftrack.update", changed)
    settle(service.event_hub)
    task["status"] = session.query('Status where name is "Approved"').one()
    session.commit()

    def status() -> Any:
        session.populate([task["parent"]], "status")
        return task["parent"]["status"]

    until(status, service.event_hub)
    assert status()["name"] == "Approved"


def test_notes_and_components_are_told_with_their_parents(
    online: Callable[[], Any], session: Any, task: Any, user: Any
) -> None:
    listening, heard = online(), []
    listening.event_hub.subscribe("topic=ftrack.update and source.user.username=administrator", heard.append)
    settle(listening.event_hub)

    note = task.create_note("look", author=user)
    session.commit()

    def told() -> list[Any]:
        return [each for event in heard for each in event["data"]["entities"] if each["entityId"] == note["id"]]

    [entity] = until(told, listening.event_hub)
    assert (entity["action"], entity["entity_type"], entity["changes"]["content"]["new"]) == ("add", "Note", "look")
    assert [each["entity_type"] for each in entity["parents"]] == ["Note", "Task", "Shot", "Sequence", "Project"]
