"""Programs of a studio that listen all day, with the unmodified client and with the drop-in: actions, cascades, jobs."""

from __future__ import annotations

import importlib
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import recordroom.dialects.ftrack.client as ours
from tests.dialects.ftrack.hubs import Stage, until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api as theirs

Unique = Callable[[str], str]


@pytest.fixture(params=[theirs, ours], ids=["original", "drop-in"])
def client(request: pytest.FixtureRequest) -> ModuleType:
    """The package that a script imports as `ftrack_api`."""
    importlib.import_module(f"{request.param.__name__}.event.base")
    found: ModuleType = request.param
    return found


@pytest.fixture
def connect(studio: Stage, client: ModuleType) -> Iterator[Callable[..., Any]]:
    made = []

    def connected(**more: Any) -> Any:
        given = {"schema_cache_path": False, "plugin_paths": [], "auto_connect_event_hub": False, **more}
        made.append(client.Session(studio.server.url, studio.key, "administrator", **given))
        return made[-1]

    yield connected
    for each in made:
        each.close()


class Listening:
    """A program with a session of its own that handles events in a thread, until it is stopped."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def on(self, expression: str, callback: Callable[[Any, Any], Any]) -> Listening:
        self.session.event_hub.subscribe(expression, lambda event: callback(self.session, event))
        return self

    def start(self) -> Listening:
        self.session.event_hub.connect()
        # What it has said it wants is known to the server once its own event comes back.
        ready: list[Any] = []
        self.session.event_hub.subscribe("topic=studio.ready", ready.append)
        event = importlib.import_module(f"{type(self.session).__module__.rpartition('.')[0]}.event.base").Event
        self.session.event_hub.publish(event("studio.ready"))
        until(lambda: self.session.event_hub.wait(0.05) or ready)
        self._thread.start()
        return self

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.session.event_hub.wait(0.05)

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()


@pytest.fixture
def listening(connect: Callable[..., Any]) -> Iterator[Callable[[], Listening]]:
    """Makes programs that listen, which are stopped at the end."""
    made: list[Listening] = []

    def new() -> Listening:
        made.append(Listening(connect()))
        return made[-1]

    yield new
    for each in made:
        each.stop()


def _cascade(session: Any, event: Any) -> None:
    """A shot is approved once all of its tasks are done."""
    for each in event["data"]["entities"]:
        if each["entityType"] != "task" or each["action"] != "update" or "statusid" not in each["keys"]:
            continue
        task = session.get("TypedContext", each["entityId"])
        if task is None or task.entity_type != "Task":
            continue
        tasks = session.query(f'select status.state.short from Task where parent_id is "{task["parent_id"]}"')
        if all(one["status"]["state"]["short"] == "DONE" for one in tasks):
            task["parent"]["status"] = session.query('Status where name is "Approved"').one()
            session.commit()


def test_a_status_goes_up(listening: Callable[[], Listening], session: Any, connect: Any, task: Any) -> None:
    listening().on("topic=ftrack.update", _cascade).start()
    task["status"] = session.query('Status where name is "Approved"').one()
    session.commit()

    other, text = connect(), f'Shot where id is "{task["parent_id"]}" and status.name is "Approved"'
    assert until(lambda: other.query(text).first())["id"] == task["parent_id"]


def test_names_are_put_right_by_who_hears_of_them(
    listening: Callable[[], Listening], session: Any, connect: Any, project: Any, shots: list[Any]
) -> None:
    def rename(own: Any, event: Any) -> None:
        for each in event["data"]["entities"]:
            new = (each["changes"] or {}).get("name", {}).get("new") or ""
            if each["action"] == "update" and each["entity_type"] == "Shot" and not new.startswith("x_"):
                own.get("Shot", each["entityId"])["name"] = f"x_{new}"
        own.commit()

    listening().on("topic=ftrack.update and source.user.username=administrator", rename).start()
    for shot in shots[:3]:
        shot["name"] = shot["name"].upper()
    session.commit()

    other, text = connect(), f'select name from Shot where project.id is "{project["id"]}" and name like "x_%"'
    until(lambda: len(other.query(text).all()) == 3)
    assert sorted(each["name"] for each in other.query(text)) == ["x_SH10", "x_SH20", "x_SH30"]


def test_a_thumbnail_is_told_by_the_name_that_listeners_know(
    listening: Callable[[], Listening], session: Any, shots: list[Any]
) -> None:
    told: list[Any] = []
    listening().on("topic=ftrack.update", lambda own, event: told.extend(event["data"]["entities"])).start()
    component = session.create("FileComponent", {"name": "thumbnail", "file_type": ".png"})
    session.commit()
    shots[0]["thumbnail_id"] = component["id"]
    session.commit()

    [shot] = until(lambda: [each for each in told if each["entityId"] == shots[0]["id"]])
    assert shot["changes"]["thumbid"] == {"old": None, "new": component["id"]}
    assert shot["objectTypeId"] == shots[0]["object_type_id"]


class Action:
    """Asks for a text, and writes it into what was chosen while a job tells of it."""

    identifier = "studio.describe"

    def discover(self, session: Any, event: Any) -> Any:
        if event["data"]["selection"][0]["entityType"] == "task":
            return {"items": [{"label": "Describe", "actionIdentifier": self.identifier}]}
        return None

    def launch(self, session: Any, event: Any) -> Any:
        if "values" not in event["data"]:
            return {"items": [{"type": "text", "name": "words", "label": "Words"}]}
        user = session.query(f'User where username is "{event["source"]["user"]["username"]}"').one()
        data = {"user": user, "status": "running", "data": json.dumps({"description": "Describing"})}
        job = session.create("Job", data)
        session.commit()
        for each in event["data"]["selection"]:
            session.get("TypedContext", each["entityId"])["description"] = event["data"]["values"]["words"]
        job["status"] = "done"
        session.commit()
        return {"success": True, "message": job["id"]}


def test_an_action_is_found_asks_and_does(
    listening: Callable[[], Listening], client: ModuleType, connect: Any, task: Any
) -> None:
    action, program = Action(), listening()
    program.on("topic=ftrack.action.discover and source.user.username=administrator", action.discover)
    program.on(f"topic=ftrack.action.launch and data.actionIdentifier={action.identifier}", action.launch).start()
    asking = connect()
    asking.event_hub.connect()

    def answered(topic: str, **data: Any) -> Any:
        answers: list[Any] = []
        chosen = [{"entityType": "task", "entityId": task["id"]}]
        event = client.event.base.Event(topic, data={"selection": chosen, **data})
        asking.event_hub.publish(event, on_reply=answers.append)
        until(lambda: asking.event_hub.wait(0.05) or answers)
        return answers[0]["data"]

    assert answered("ftrack.action.discover")["items"][0]["actionIdentifier"] == action.identifier
    assert answered("ftrack.action.launch", actionIdentifier=action.identifier)["items"][0]["name"] == "words"
    values = {"words": "as discussed"}
    done = answered("ftrack.action.launch", actionIdentifier=action.identifier, values=values)
    other = connect()
    assert (done["success"], other.get("Job", done["message"])["status"]) == (True, "done")
    assert other.get("Task", task["id"])["description"] == "as discussed"
