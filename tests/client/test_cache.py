from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

import recordroom as rr
from recordroom.client.remote import RemoteRoom
from recordroom.client.session import Session
from recordroom.errors import InvalidValue
from recordroom.query.request import Page, QueryRequest
from recordroom.store.copying import copy_room
from tests.conftest import Places
from tests.served import Served, served

SCHEMA = """
[Team.attributes]
name = "text"
[Person.attributes]
name = "text"
age = "integer"
team = { kind = "reference", target = "Team" }
older = { kind = "integer", computed = "age + 1" }
"""


@pytest.fixture
def where(places: Places) -> str:
    with rr.connect(places("cached")) as session:
        session.apply_schema(SCHEMA)
        team = session.create("Team", {"name": "red"})
        for number in range(5):
            session.create("Person", {"name": f"p{number}", "age": number, "team": team})
        session.commit()
    return places("cached")


@pytest.fixture
def server(where: str) -> Iterator[Served]:
    with served(where) as found:
        yield found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each query brought from the server."""
    found: list[int] = []
    query = RemoteRoom.query

    def counted(room: RemoteRoom, request: QueryRequest) -> Page:
        page = query(room, request)
        found.append(page.count)
        return page

    monkeypatch.setattr(RemoteRoom, "query", counted)
    return found


@contextlib.contextmanager
def cached(server: Served, folder: Path) -> Iterator[Session]:
    with rr.connect(server.url, api_key=server.api_key, cache=folder) as session:
        yield session


def ids_of(server: Served) -> list[str]:
    with rr.connect(server.url, api_key=server.api_key) as session:
        return [person["id"] for person in session.query("Person order by age")]


def names(session: Session, ids: list[str]) -> list[str | None]:
    return [None if person is None else person["name"] for person in session.get_many("Person", ids)]


def shown(session: Session, ids: list[str]) -> list[dict[str, object]]:
    """Every value of some people, their teams by name."""
    found = [person for person in session.get_many("Person", ids) if person is not None]
    return [{**dict(person), "team": person["team"]["name"]} for person in found]


def test_rows_of_the_cache_are_what_the_server_would_give(server: Served, tmp_path: Path) -> None:
    ids = ids_of(server)
    with rr.connect(server.url, api_key=server.api_key) as session:
        expected = shown(session, ids)
    with cached(server, tmp_path) as session:
        assert shown(session, ids) == expected

    with cached(server, tmp_path) as session:
        assert shown(session, ids) == expected


def test_what_is_missing_in_the_cache_is_added_to_it(server: Served, tmp_path: Path, asked: list[int]) -> None:
    ids = ids_of(server)
    with cached(server, tmp_path) as session:
        names(session, ids[1:3])
    asked.clear()

    with cached(server, tmp_path) as session:
        assert names(session, ids) == ["p0", "p1", "p2", "p3", "p4"]

    assert asked == [3]


def test_by_id_nothing_but_the_question_of_news_is_asked(server: Served, tmp_path: Path, asked: list[int]) -> None:
    ids = ids_of(server)
    with cached(server, tmp_path) as session:
        names(session, ids)
    asked.clear()

    with cached(server, tmp_path) as session:
        assert names(session, ids) == ["p0", "p1", "p2", "p3", "p4"]

    assert asked == []


def test_what_others_changed_since_is_loaded_again_and_nothing_else(
    server: Served, tmp_path: Path, asked: list[int]
) -> None:
    ids = ids_of(server)
    with cached(server, tmp_path) as session:
        names(session, ids)
    with rr.connect(server.url, api_key=server.api_key) as other:
        other.get("Person", ids[1])["name"] = "changed"
        other.delete(other.get("Person", ids[3]))
        other.commit()
    asked.clear()

    with cached(server, tmp_path) as session:
        assert names(session, ids) == ["p0", "changed", "p2", None, "p4"]

    assert asked == [1]


def test_a_running_session_sees_what_others_changed(server: Served, tmp_path: Path) -> None:
    ids = ids_of(server)
    with cached(server, tmp_path) as session, rr.connect(server.url, api_key=server.api_key) as other:
        assert names(session, ids[:1]) == ["p0"]
        other.get("Person", ids[0])["name"] = "changed"
        other.commit()

        session.reset()
        assert names(session, ids[:1]) == ["changed"]


def test_a_changed_schema_begins_a_new_cache(server: Served, tmp_path: Path, asked: list[int]) -> None:
    ids = ids_of(server)
    with cached(server, tmp_path) as session:
        names(session, ids)
    with rr.connect(server.url, api_key=server.api_key) as other:
        other.apply_schema('[Person.attributes]\nsize = { kind = "integer", default = 7 }')
    asked.clear()

    with cached(server, tmp_path) as session:
        assert session.get("Person", ids[2])["size"] == 7

    assert asked


def test_a_room_that_was_restored_is_not_taken_for_the_one_that_was_cached(
    where: str, places: Places, tmp_path: Path
) -> None:
    copy_room(where, places("backup"))
    with served(where) as server:
        ids = ids_of(server)
        with rr.connect(server.url, api_key=server.api_key) as session:
            session.get("Person", ids[0])["name"] = "lost later"
            session.commit()
        with cached(server, tmp_path) as session:
            assert names(session, ids[:1]) == ["lost later"]
        port = server.port
    with served(places("backup"), port=port) as server:
        with rr.connect(server.url, api_key=server.api_key) as session:
            session.get("Person", ids[1])["name"] = "another commit of the same revision"
            session.commit()

        with cached(server, tmp_path) as session:
            assert names(session, ids[:2]) == ["p0", "another commit of the same revision"]


def test_files_are_for_their_owner_only_and_damage_is_no_error(server: Served, tmp_path: Path) -> None:
    ids = ids_of(server)
    folder = tmp_path / "cache"
    with cached(server, folder) as session:
        names(session, ids)
    [file] = folder.iterdir()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    file.write_bytes(file.read_bytes()[:50])
    with cached(server, folder) as session:
        assert names(session, ids[:1]) == ["p0"]


def test_a_room_in_this_process_needs_no_cache(where: str) -> None:
    with pytest.raises(InvalidValue, match="cache"):
        rr.connect(where, cache=True)


@pytest.fixture
def with_accounts(where: str) -> Iterator[Served]:
    with served(where, accounts=True) as found:
        yield found


def add_user(server: Served, name: str, role: str) -> str:
    """A user with a role; their API key."""
    with rr.connect(server.url, api_key=server.api_key) as session:
        user = session.create("User", {"name": name})
        user["roles"].add(session.query(f'Role where name is "{role}"').one())
        session.commit()
    body = {"grant": "api_key", "name": "tests", "user": name}
    key: str = server.request("POST", "/v1/tokens", body).json()["api_key"]
    return key


def test_accounts_have_caches_of_their_own(with_accounts: Served, tmp_path: Path) -> None:
    server, folder = with_accounts, tmp_path / "cache"
    ids, key = ids_of(server), add_user(server, "ann", "guest")
    with cached(server, folder) as session:
        assert names(session, ids) == ["p0", "p1", "p2", "p3", "p4"]

    with rr.connect(server.url, api_key=key, cache=folder) as session:
        assert names(session, ids) == [None] * 5


def test_what_may_not_be_read_any_more_is_not_given_from_the_cache(
    with_accounts: Served, tmp_path: Path, asked: list[int]
) -> None:
    server = with_accounts
    ids, key = ids_of(server), add_user(server, "ann", "reader")
    for _ in range(2):
        asked.clear()
        with rr.connect(server.url, api_key=key, cache=tmp_path) as session:
            assert names(session, ids[:2]) == ["p0", "p1"]
    assert asked == []
    with rr.connect(server.url, api_key=server.api_key) as session:
        for rule in session.query('Rule where role.name is "reader" and type is "*"'):
            session.delete(rule)
        session.commit()

    with rr.connect(server.url, api_key=key, cache=tmp_path) as session:
        assert names(session, ids[:2]) == [None, None]


def test_what_is_hidden_in_part_is_never_kept(with_accounts: Served, tmp_path: Path, asked: list[int]) -> None:
    server = with_accounts
    with rr.connect(server.url, api_key=server.api_key) as session:
        role = session.create("Role", {"name": "some"})
        session.create("Rule", {"role": role, "verb": "read", "type": "Person", "attributes": ["name", "age"]})
        session.commit()
    ids, key = ids_of(server), add_user(server, "ann", "some")
    for _ in range(2):
        asked.clear()
        with rr.connect(server.url, api_key=key, cache=tmp_path) as session:
            assert [person["team"] for person in session.get_many("Person", ids) if person] == [None] * 5
    assert asked
