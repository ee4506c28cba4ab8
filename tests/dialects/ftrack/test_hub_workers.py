"""Several processes that serve one room: an event of one is heard in the other, and either takes the other's addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import recordroom as rr
from tests.conftest import Places
from tests.dialects.ftrack.hubs import Event, Hubs, Stage, settle, until
from tests.served import Served, served


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[tuple[Served, Served]]:
    """Two processes that serve one room on PostgreSQL."""
    places = Places(tmp_path_factory.mktemp("workers"), postgres_url)
    where = places("hub")
    with rr.connect(where) as session:
        session.apply_template("production")
    with (
        served(where, accounts=True, dialects=("ftrack",), process=True) as one,
        served(where, accounts=True, dialects=("ftrack",), process=True, api_key=one.api_key) as other,
    ):
        yield one, other
    places.clean()


def test_an_event_of_one_process_is_heard_in_the_other(pair: tuple[Served, Served]) -> None:
    one, other = (Hubs(each.url, Stage.user, each.api_key) for each in pair)
    publisher, listener = one(), other()
    heard: list[Any] = []
    listener.subscribe("topic=across", lambda event: (heard.append(event["data"]), event["data"]["n"] + 1)[1])
    updates: list[Any] = []
    listener.subscribe("topic=ftrack.update", updates.append)
    settle(listener)
    replies: list[Any] = []

    for number in range(1, 21):
        publisher.publish(Event("across", data={"n": number}), on_reply=lambda event: replies.append(event["data"]))
    until(lambda: len(replies) == 20, publisher, listener)
    with rr.connect(pair[0].url, api_key=pair[0].api_key) as session:
        session.create("Project", {"name": "across"})
        session.commit()
    until(lambda: updates, listener)
    one.close()
    other.close()

    assert [each["n"] for each in heard] == list(range(1, 21))
    assert replies == list(range(2, 22))
    assert updates[0]["data"]["entities"][0]["entity_type"] == "Project"


def test_an_address_is_good_in_every_process_and_once_in_all(pair: tuple[Served, Served]) -> None:
    one, other = pair
    headers = {"ftrack-user": Stage.user, "ftrack-api-key": one.api_key}
    answer = urllib3.request("GET", f"{one.url}/socket.io/1/", headers=headers, retries=False)
    path = f"socket.io/1/websocket/{answer.data.decode().split(':')[0]}"

    with connect(f"ws://{other.host}:{other.port}/{path}") as inner:
        assert inner.recv() == "1::"
    with pytest.raises(InvalidStatus), connect(f"ws://{one.host}:{one.port}/{path}"):
        pass
