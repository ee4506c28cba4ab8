"""connect: which room, how, and what is said where that cannot be."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import recordroom as rr
from recordroom.errors import RoomNotFound, RoomReadOnly, UnknownDatabase
from tests.conftest import Places


def test_a_room_is_made_where_there_is_none(places: Places) -> None:
    with rr.connect(places()) as session:
        assert list(session.types) == []
        assert list(session.databases) == ["main"]


def test_a_room_is_not_made_where_that_is_not_wanted(tmp_path: Path) -> None:
    with pytest.raises(RoomNotFound) as caught:
        rr.connect(tmp_path / "none.room", create=False)
    assert "none.room" in str(caught.value.path)
    assert list(tmp_path.iterdir()) == []


def test_the_environment_says_which_room_where_nobody_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECORDROOM_URL", raising=False)
    with pytest.raises(RoomNotFound, match="RECORDROOM_URL"):
        rr.connect()
    monkeypatch.setenv("RECORDROOM_URL", str(tmp_path / "env.room"))
    with rr.connect() as session:
        assert "env.room" in session.transport.where


def test_sessions_of_one_process_share_a_room(places: Places) -> None:
    with rr.connect(places()) as first, rr.connect(places(), actor="ann") as second:
        assert first.transport.driver is second.transport.driver  # type: ignore[attr-defined]
        assert (first.transport.actor, second.transport.actor) == ("owner", "ann")
        first.close()
        assert list(second.databases) == ["main"]


def test_a_reading_session_refuses_changes(places: Places) -> None:
    rr.connect(places()).close()
    with rr.connect(places(), mode="read") as session:
        session.publish("topic")
        with pytest.raises(RoomReadOnly):
            session.commit()


def test_a_database_that_there_is_not_is_an_error_at_once(places: Places) -> None:
    with pytest.raises(UnknownDatabase):
        rr.connect(places(), database="nope")
    with rr.connect(places()) as session:
        assert list(session.databases) == ["main"]


def test_a_session_may_be_opened_in_one_thread_and_used_in_another(places: Places) -> None:
    session = rr.connect(places())
    seen: list[list[str]] = []
    thread = threading.Thread(target=lambda: seen.append(list(session.databases)))
    thread.start()
    thread.join()
    session.close()

    assert seen == [["main"]]


def test_the_public_names_are_there() -> None:
    for name in rr.__all__:
        assert getattr(rr, name) is not None
    assert set(rr.__all__) <= set(dir(rr))
    with pytest.raises(AttributeError):
        rr.nothing_of_the_kind  # noqa: B018
