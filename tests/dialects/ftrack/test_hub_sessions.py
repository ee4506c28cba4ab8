"""The event hub of whole sessions of the unmodified client."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.ftrack.hubs import Event, EventHub, Hubs, Stage, settle, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api.exception
    import ftrack_api.symbol


@pytest.fixture
def hubs(studio: Stage) -> Iterator[Hubs]:
    found = Hubs(studio.server.url, studio.user, studio.key)
    yield found
    found.close()


@pytest.fixture
def connected(connect: Callable[..., Any]) -> Any:
    """A session whose hub is connected in the background."""
    return connect(auto_connect_event_hub=True)


def listen(hub: EventHub, expression: str) -> list[Any]:
    heard: list[Any] = []
    hub.subscribe(expression, heard.append)
    settle(hub)
    return heard


def test_a_session_publishes_before_its_hub_is_connected(hubs: Hubs, connect: Callable[..., Any]) -> None:
    heard = listen(listening := hubs(), "topic=from.session")

    session = connect(auto_connect_event_hub=True)
    session.event_hub.publish(Event("from.session", data={"n": 1}), on_error="ignore")

    assert until(lambda: heard, listening)[0]["data"] == {"n": 1}
    assert heard[0]["source"]["id"] == session.event_hub.id


def test_a_session_that_connects_in_the_background_logs_nothing_wrong(
    connect: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    session = connect(auto_connect_event_hub=True)
    session.event_hub.subscribe("topic=x", print)
    until(lambda: session.event_hub.connected)
    settle(session.event_hub)

    assert [each.getMessage() for each in caplog.records if each.name.startswith("ftrack_api")] == []


def test_a_session_without_a_connection_says_so(session: Any) -> None:
    with pytest.raises(ftrack_api.exception.EventHubConnectionError):
        session.event_hub.publish(Event("x"))
    with pytest.raises(ftrack_api.exception.EventHubConnectionError):
        session.event_hub.wait(0)
    session.event_hub.publish(Event("x"), on_error="ignore")


def test_what_one_session_commits_another_hears_of(session: Any, connected: Any, project: Any) -> None:
    until(lambda: connected.event_hub.connected)
    heard = listen(connected.event_hub, "topic=ftrack.update")
    status = session.query("Status").first()
    task = session.create("Task", {"name": "anim", "parent": project})
    session.commit()
    task["status"] = status
    session.commit()

    def changed() -> list[Any]:
        entities = [entity for event in heard for entity in event["data"]["entities"]]
        return [each for each in entities if each["entityId"] == task["id"] and each["action"] == "update"]

    [entity] = until(changed, connected.event_hub)
    assert entity["changes"]["statusid"]["new"] == status["id"]
    assert connected.get(entity["entity_type"], entity["entityId"])["name"] == "anim"


def test_components_that_come_and_go_are_told(session: Any, connected: Any, hubs: Hubs, tmp_path: Path) -> None:
    heard = listen(listening := hubs(), "topic=ftrack.location.component-*")
    until(lambda: connected.event_hub.connected)
    server = connected.get("Location", ftrack_api.symbol.SERVER_LOCATION_ID)
    (tmp_path / "a.txt").write_bytes(b"hello")

    component = connected.create_component(str(tmp_path / "a.txt"), location=server)
    server.remove_component(component)

    about = {"component_id": component["id"], "location_id": server["id"]}
    until(lambda: "ftrack.location.component-removed" in [each["topic"] for each in heard], listening)
    assert [each["topic"] for each in heard if each["data"] == about] == [
        "ftrack.location.component-added",
        "ftrack.location.component-removed",
    ]


def test_a_service_of_a_studio_answers_actions_in_a_thread_of_its_own(connect: Callable[..., Any], hubs: Hubs) -> None:
    service = connect(auto_connect_event_hub=True)
    until(lambda: service.event_hub.connected)

    def discover(event: Any) -> dict[str, Any]:
        return {"items": [{"label": "Publish", "actionIdentifier": "publish"}]}

    service.event_hub.subscribe("topic=ftrack.action.discover and source.user.username=administrator", discover)
    settle(service.event_hub)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            service.event_hub.wait(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        asking = hubs()
        answers: list[Any] = []
        asking.publish(Event("ftrack.action.discover", data={"selection": []}), on_reply=answers.append)
        until(lambda: answers, asking)
    finally:
        stop.set()
        thread.join()
    assert answers[0]["data"]["items"][0]["actionIdentifier"] == "publish"


def test_a_hub_with_wrong_credentials_does_not_connect(hubs: Hubs) -> None:
    for hub in (hubs(user="somebody", connect=False), hubs(key="rrk_wrong", connect=False)):
        with pytest.raises(ftrack_api.exception.EventHubConnectionError):
            hub.connect()


def test_a_hub_says_when_no_server_is_there(hubs: Hubs) -> None:
    hub = hubs(url="http://127.0.0.1:9", connect=False)

    with pytest.raises(ftrack_api.exception.EventHubConnectionError):
        hub.connect()


def test_headers_and_cookies_of_a_session_do_no_harm(connect: Callable[..., Any]) -> None:
    session = connect(auto_connect_event_hub=True, headers={"x-studio": "1"}, cookies={"a": "b"})
    until(lambda: session.event_hub.connected)

    heard = listen(session.event_hub, "topic=cookie")
    session.event_hub.publish(Event("cookie"))

    assert until(lambda: heard, session.event_hub)
