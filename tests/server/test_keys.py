"""New keys to sign with: what was signed before ends at once, what proves somebody stays; on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

import recordroom as rr
from recordroom.server.signed import FILES, RoomKey
from tests.conftest import DATABASES, Places
from tests.served import Served, served


@pytest.fixture(scope="module", params=DATABASES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("keys")
    places = Places(folder, request.getfixturevalue("postgres_url") if request.param == "postgresql" else "")
    where = places("keys")
    settings = {"files": str(folder / "blobs")} if "://" in where else {}
    with rr.connect(where, **settings) as session:
        session.apply_template("production")
    with served(where, accounts=True) as running:
        yield running
    places.clean()


def asked(server: Served, path: str, body: Any = None, *, token: str = "") -> Any:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return json.loads(server.request("POST", path, body, **headers).data)


def status(server: Served, token: str) -> int:
    return server.request("GET", "/v1/me", authorization=f"Bearer {token}").status


def rotate(server: Served) -> None:
    assert server.request("POST", "/v1/keys").status == 204


def test_access_tokens_end_and_are_renewed_with_what_stays(server: Served) -> None:
    code = asked(server, "/v1/users/administrator/reset")["code"]
    granted = asked(server, "/v1/tokens", {"grant": "code", "code": code})
    assert status(server, granted["access_token"]) == 200

    rotate(server)

    assert status(server, granted["access_token"]) == 401
    renewed = asked(server, "/v1/tokens", {"grant": "refresh_token", "refresh_token": granted["refresh_token"]})
    assert status(server, renewed["access_token"]) == 200
    assert status(server, server.api_key) == 200


def test_addresses_of_files_end(server: Served, tmp_path: Path) -> None:
    (tmp_path / "plate.exr").write_bytes(b"pixels")
    with rr.connect(server.url, api_key=server.api_key) as session:
        component = session.create_component(tmp_path / "plate.exr", location="ftrack.server")
        before = session.files.url(component, "ftrack.server")
        assert urllib3.request("GET", before).data == b"pixels"

        rotate(server)

        assert urllib3.request("GET", before).status in (401, 403)
        assert urllib3.request("GET", session.files.url(component, "ftrack.server")).data == b"pixels"


def test_addresses_of_pages_end(server: Served) -> None:
    with rr.connect(server.url, api_key=server.api_key) as session:
        before = session.widget_url("tasks")
        assert urllib3.request("GET", before).status == 200

        rotate(server)

        assert urllib3.request("GET", before).status in (401, 403)
        assert urllib3.request("GET", session.widget_url("tasks")).status == 200


def test_who_may_not_change_the_schema_rotates_nothing(server: Served) -> None:
    with rr.connect(server.url, api_key=server.api_key) as session:
        reader = session.query('Role where name is "editor"').one()
        session.ensure("User", {"name": "ann", "roles": [reader]}, ["name"])
        session.commit()
    key = asked(server, "/v1/tokens", {"grant": "api_key", "name": "hers", "user": "ann"})["api_key"]
    weak = asked(server, "/v1/tokens", {"grant": "api_key", "name": "to write", "scopes": ["write"]})["api_key"]

    for each in (key, weak):
        assert server.request("POST", "/v1/keys", authorization=f"Bearer {each}").status == 403


def test_a_key_is_made_once_and_read_at_each_use(places: Any) -> None:
    import asyncio

    from recordroom.store.async_room import AsyncRoom

    async def story() -> None:
        room = await AsyncRoom.open(places())
        one, other = RoomKey(room, FILES), RoomKey(room, FILES)
        found = await asyncio.gather(*(each.read() for each in (one, other) * 4))
        assert len(set(found)) == 1
        assert len(found[0]) == 32
        await room.close()

    asyncio.run(story())
