"""What strangers, guests and keys of small scope try over HTTP."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from websockets.sync.client import connect

from recordroom.server.limits import Limits
from recordroom.server.logs import configure
from recordroom.server.process import _prepare
from recordroom.server.settings import ServerSettings
from tests.conftest import Places
from tests.served import Served, served
from tests.server.conftest import commit_of, define, task_id, tasks


@pytest.fixture
def server(places: Places) -> Iterator[Served]:
    """A server of a room with accounts, three tasks and a guest, on both databases."""
    with served(places(), accounts=True) as found:
        define(found)
        assert found.request("POST", "/v1/commit", commit_of(2, tasks(1, 3))).status == 200
        guest = {"op": "Create", "type": "User", "ids": [task_id(500)], "columns": {"name": ["gus"]}}
        assert found.request("POST", "/v1/commit", commit_of(50, guest)).status == 200
        yield found


def key_of(server: Served, **request: Any) -> str:
    made = server.request("POST", "/v1/tokens", {"grant": "api_key", "name": "k", **request})
    assert made.status == 200, made.data
    key: str = made.json()["api_key"]
    return key


def ask(server: Served, key: str, method: str, path: str, body: object = None) -> urllib3.BaseHTTPResponse:
    return urllib3.request(
        method, server.url + path, json=body, headers={"authorization": f"Bearer {key}"}, retries=False
    )


def test_strangers_cannot_make_the_server_read_much(server: Served) -> None:
    body = b"[" + b"{}," * 100_000 + b"{}]"
    answer = urllib3.request(
        "POST", f"{server.url}/v1/tokens", body=body, headers={"content-type": "application/json"}, retries=False
    )

    assert answer.status == 413
    assert answer.json()["error"]["code"] == "request_too_large"


def test_what_a_cache_must_forget_names_nothing_that_cannot_be_kept(server: Served) -> None:
    guest = key_of(server, user="gus")
    before = server.request("GET", "/v1/journal").json()[-2]["header"]
    request = {"after": before["revision"], "commit": before["commit_id"]}
    create = tasks(700, 1)
    assert server.request("POST", "/v1/commit", commit_of(70, create)).status == 200
    hidden = create["ids"][0]

    assert hidden in server.request("POST", "/v1/fresh", request).json()["changed"]
    assert ask(server, guest, "POST", "/v1/fresh", request).json().get("changed", []) == []


def test_a_webhook_tells_nobody_which_users_there_are(server: Served) -> None:
    guest = key_of(server, user="gus")
    answers = [
        ask(server, guest, "POST", "/v1/webhooks", {"url": "https://example.org/", "user": name}).json()["error"]
        for name in ("administrator", "somebody")
    ]

    assert [each["code"] for each in answers] == ["not_found"] * 2
    assert answers[0]["message"].replace("administrator", "somebody") == answers[1]["message"]
    administrator = server.request("GET", "/v1/me").json()["user"]
    assert administrator not in str(answers)


def test_a_key_for_reading_makes_nothing_be_delivered_again(server: Served) -> None:
    reading = key_of(server, scopes=["read"])

    assert ask(server, reading, "POST", "/v1/webhooks/retry", {}).status == 403
    assert server.request("POST", "/v1/webhooks/retry", {}).json() == {"count": 0}


def test_a_guest_cannot_take_anybodys_place(server: Served) -> None:
    guest = key_of(server, user="gus")

    assert ask(server, guest, "POST", "/v1/users/gus/reset").status in (403, 404)
    assert ask(server, guest, "POST", "/v1/users/administrator/reset").status == 404
    assert (
        ask(server, guest, "POST", "/v1/tokens", {"grant": "api_key", "name": "k", "user": "administrator"}).status
        == 404
    )


def test_parameters_never_stand_for_facts_of_rules(server: Served) -> None:
    guest = key_of(server, user="gus")
    facts = {"actor": task_id(1), "actor.id": task_id(1), "actor.shared_read": [task_id(1)], "x": task_id(1)}
    answer = ask(server, guest, "POST", "/v1/query", {"query": "Task where id is $x", "parameters": facts})

    assert answer.status == 200
    assert answer.json().get("ids", []) == []


def test_names_do_not_make_lines_of_logs() -> None:
    stream = io.StringIO()
    loggers = [logging.getLogger(name) for name in ("recordroom", "uvicorn")]
    kept = [(each, each.handlers[:], each.level, each.propagate) for each in loggers]
    try:
        configure("info", "text", stream)
        name = "ann\n12:00:00 error   all is lost \x1b[31m"
        logging.getLogger("recordroom.requests").info("GET /v1/me", extra={"fields": {"actor": name}})
    finally:
        for logger, handlers, level, propagate in kept:
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)

    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_the_room_of_a_server_is_of_its_user_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    room = tmp_path / "studio.room"
    settings = ServerSettings(room=str(room))
    caplog.set_level(logging.WARNING, "recordroom.server")

    assert asyncio.run(_prepare(settings)) is not None
    assert room.stat().st_mode & 0o077 == 0
    assert caplog.records == []

    room.chmod(0o755)
    assert asyncio.run(_prepare(settings)) is None
    assert room.stat().st_mode & 0o077 == 0o055, "what somebody has chosen since stays"
    assert "can read the room" in caplog.text


def test_nobody_waits_for_events_too_many_times_at_once(places_sqlite: Places) -> None:
    with served(places_sqlite(), accounts=True, limits=Limits(listeners=1)) as server:
        guest = {"op": "Create", "type": "User", "ids": [task_id(500)], "columns": {"name": ["gus"]}}
        assert server.request("POST", "/v1/commit", commit_of(50, guest)).status == 200
        other = key_of(server, user="gus")
        headers = {"authorization": f"Bearer {server.api_key}"}
        url = f"{server.url}/v1/events/stream"
        first = urllib3.request("GET", url, headers=headers, preload_content=False, retries=False)
        try:
            assert first.status == 200
            assert server.request("GET", "/v1/events/stream").status == 429
            assert server.request("POST", "/v1/follow", {"after": 10**9, "wait": 0}).status == 429
            with connect(f"{server.url.replace('http', 'ws')}/v1/events", additional_headers=headers) as socket:
                socket.send("{}")
                said = [json.loads(socket.recv(10)) for _ in range(2)]
            assert said[1]["error"]["code"] == "too_many_attempts"
            assert ask(server, other, "POST", "/v1/follow", {"after": 10**9, "wait": 0}).status == 200
        finally:
            first.close()
