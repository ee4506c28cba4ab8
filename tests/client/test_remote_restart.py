"""A server that is killed and comes back: its sessions go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.retry import NEVER
from recordroom.errors import ServerUnavailable
from tests.conftest import Places
from tests.served import served

SCHEMA = "[Task]\nunique = [['name']]\n[Task.attributes]\nname = 'text'\n"


def in_background(work: Callable[[], Any]) -> Callable[[], Any]:
    """Start it; what is returned waits for its result."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()

    def result() -> Any:
        thread.join(60)
        assert found
        return found[0]

    return result


def test_work_goes_on_when_the_server_comes_back(places: Places) -> None:
    where = places()
    with served(where, process=True) as first:
        session = rr.connect(first.url, api_key=first.api_key)
        session.apply_schema(SCHEMA)
        session.create("Task", {"name": "a"})
        session.commit()
        first.kill()

        session.create("Task", {"name": "b"})
        committed = in_background(session.commit)
        with served(where, process=True, port=first.port):
            assert committed()
            assert [each["name"] for each in session.query("Task order by name")] == ["a", "b"]
            session.close()


def test_a_commit_that_was_not_answered_applies_once_when_it_is_asked_for_again(places: Places) -> None:
    where = places()
    with served(where, process=True) as first:
        session = rr.connect(first.url, api_key=first.api_key, retry=NEVER)
        session.apply_schema(SCHEMA)
        task = session.create("Task", {"name": "a"})
        first.kill()
        with pytest.raises(ServerUnavailable) as caught:
            session.commit()
        assert caught.value.attempts == 1

        session.create("Task", {"name": "b"})
        with served(where, process=True, port=first.port):
            assert session.commit()
            assert session.state(task) == "clean"
            assert [each["name"] for each in session.query("Task order by name")] == ["a", "b"]
            assert len(session.history(task)) == 1
            session.close()
