"""Event hubs of the unmodified client, for tests: what they are sent, and waiting for it without guessing how long."""

from __future__ import annotations

import contextlib
import json
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import urllib3

import recordroom as rr
from tests.served import Served, served

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ftrack_api.event.base import Event
    from ftrack_api.event.hub import EventHub

__all__ = ["Event", "EventHub", "Hubs", "Stage", "post", "settle", "stage", "until"]

_PATIENCE = 20.0


def until(condition: Callable[[], Any], *hubs: EventHub) -> Any:
    """What `condition` gives once that is true; the hubs handle events meanwhile."""
    end = time.monotonic() + _PATIENCE
    while True:
        for hub in hubs:
            while not hub._event_queue.empty():
                hub.wait(0)
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


def settle(*hubs: EventHub) -> None:
    """Wait until the server has answered everything that was sent."""
    for hub in hubs:
        until(lambda hub=hub: hub.connected and not hub._packet_callbacks)


class Hubs:
    """Hubs of one server, disconnected at the end."""

    def __init__(self, url: str, user: str, key: str) -> None:
        self._url = url
        self._user = user
        self._key = key
        self.all: list[EventHub] = []

    def __call__(self, *, user: str = "", key: str = "", connect: bool = True, url: str = "") -> EventHub:
        hub = EventHub(url or self._url, user or self._user, key or self._key)
        hub._auto_reconnect_delay = 0.05
        hub._auto_reconnect_attempts = 600
        self.all.append(hub)
        if connect:
            hub.connect()
            settle(hub)
        return hub

    def close(self) -> None:
        for hub in self.all:
            if hub.connected:
                hub.disconnect()


# --- a server -------------------------------------------------------------------------------------


class Stage:
    """A server of a room with the template `production`; its administrator, and others with the roles that they need."""

    user = "administrator"

    def __init__(self, server: Served) -> None:
        self.server = server
        self.key = server.api_key
        self.hubs = Hubs(server.url, self.user, self.key)
        self.session = rr.connect(server.url, api_key=self.key)

    def person(self, name: str, *rules: tuple[str, str, str | None]) -> str:
        """The API key of a new user, who has a role with rules: verb, type and condition of each."""
        session = self.session
        role = session.create("Role", {"name": f"role of {name}"})
        for verb, type_name, condition in rules:
            session.create("Rule", {"role": role, "verb": verb, "type": type_name, "condition": condition})
        session.create("User", {"name": name, "active": True})["roles"].append(role)
        session.commit()
        return self.new_key(name)[0]

    def new_key(self, name: str) -> tuple[str, str]:
        """A key of a user and its id."""
        asked = {"grant": "api_key", "name": "tests", "user": name}
        made = json.loads(self.server.request("POST", "/v1/tokens", asked).data)
        return made["api_key"], made["id"]

    def close(self) -> None:
        self.hubs.close()
        self.session.close()


@contextlib.contextmanager
def stage(where: str, **settings: Any) -> Iterator[Stage]:
    """A server of a new room at `where`."""
    with rr.connect(where) as session:
        session.apply_template("production")
    with served(where, accounts=True, dialects=("ftrack",), **settings) as server:
        found = Stage(server)
        try:
            yield found
        finally:
            found.close()


def post(studio: Stage, *operations: Any) -> Any:
    """The answer of `/api` to operations, as they are."""
    headers = {"ftrack-user": studio.user, "ftrack-api-key": studio.key}
    answer = urllib3.request("POST", f"{studio.server.url}/api", body=json.dumps(operations), headers=headers)
    return answer.json()
