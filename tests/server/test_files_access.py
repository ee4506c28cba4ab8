"""Who may have and give which bytes: as rules say of components, also by signed addresses; uploads are their owner's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from recordroom.model.operations import Commit, DefineType
from recordroom.store.room import Room
from tests.conftest import DATABASES, Places
from tests.served import Served, served
from tests.server.test_files import COMPONENT, error_of, files_folder, make_room, new_component
from tests.server.test_uploads import OCTETS

SHARED = "name is 'shared'"


class House:
    """A server with accounts: `admin`, and people of roles with keys of their own."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.keys = {"admin": server.api_key}
        guests = self.made("Role", name="guests of files")
        for verb in ("read", "update"):
            self.made("Rule", role=guests, verb=verb, type="Component", condition=SHARED)
        makers = self.made("Role", name="makers of files")
        for verb, condition in (("read", SHARED), ("create", None)):
            self.made("Rule", role=makers, verb=verb, type="Component", condition=condition)
        for name, role in (("gus", guests), ("max", makers), ("mia", makers)):
            self.person(name, role)

    def commit(self, *operations: dict[str, Any]) -> None:
        answer = self.ask("admin", "POST", "/v1/commit", {"id": new_component(), "operations": list(operations)})
        assert answer.status == 200, answer.data

    def made(self, type_name: str, **values: Any) -> str:
        entity = new_component()
        columns = {name: [value] for name, value in values.items() if value is not None}
        self.commit({"op": "Create", "type": type_name, "ids": [entity], "columns": columns})
        return entity

    def person(self, name: str, role: str) -> None:
        user = self.made("User", name=name, active=True)
        self.commit({"op": "Link", "type": "User", "attribute": "roles", "sources": [user], "targets": [role]})
        for key, scopes in ((name, None), (f"{name} reading", ["read"])):
            asked = {"grant": "api_key", "name": key, "user": name} | ({"scopes": scopes} if scopes else {})
            answer = self.ask("admin", "POST", "/v1/tokens", asked)
            self.keys[key] = json.loads(answer.data)["api_key"]

    def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        return self.server.request(method, path, body, Authorization=f"Bearer {self.keys[who]}", **headers)

    def put(self, who: str, component: str, data: bytes = b"bytes") -> int:
        return self.ask(who, "PUT", f"/v1/files/{component}", data).status

    def get(self, who: str, component: str) -> int:
        return self.ask(who, "GET", f"/v1/files/{component}").status

    def component(self, name: str) -> str:
        component = self.made("Component", name=name)
        assert self.put("admin", component) == 200
        return component


@pytest.fixture(scope="module", params=DATABASES)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    places = Places(folder, request.getfixturevalue("postgres_url") if request.param == "postgresql" else "")
    where = places("house")
    make_room(where, files_folder(where, folder))
    with served(where, accounts=True) as server:
        yield House(server)
    places.clean()


def test_bytes_are_for_those_who_may_read_their_component(house: House) -> None:
    shared, secret = house.component("shared"), house.component("secret")

    assert (house.get("gus", shared), house.get("gus reading", shared)) == (200, 200)
    for method, path in (
        ("GET", ""), ("HEAD", ""), ("DELETE", ""), ("POST", "/url"),
    ):  # fmt: skip
        body = {} if method == "POST" else None
        hidden = house.ask("gus", method, f"/v1/files/{secret}{path}", body)
        nothing = house.ask("gus", method, f"/v1/files/{new_component()}{path}", body)
        assert (hidden.status, nothing.status) == (404, 404)
        assert method == "HEAD" or error_of(hidden) == error_of(nothing) == "no_such_file"
    assert house.get("admin", secret) == 200


def test_bytes_are_replaced_and_removed_by_those_who_may_update_their_component(house: House) -> None:
    shared, secret = house.component("shared"), house.component("secret")

    assert house.put("gus", shared, b"by gus") == 200
    assert house.put("gus reading", shared) == 403
    assert house.put("max", shared) == 403
    assert house.put("gus", secret) == 403
    assert house.ask("max", "DELETE", f"/v1/files/{shared}").status == 403
    assert house.ask("admin", "GET", f"/v1/files/{shared}").data == b"by gus"
    assert house.ask("gus", "DELETE", f"/v1/files/{shared}").status == 204


def test_new_bytes_come_from_those_who_may_create_components(house: House) -> None:
    component = new_component()

    assert house.put("gus", component) == 403
    assert house.put("max reading", component) == 403
    assert house.put("max", component) == 200
    assert house.put("mia", component) == 403  # what max sent is not hers to replace
    assert house.put("max", component, b"again") == 200
    for who in ("gus", "max reading"):
        assert house.ask(who, "POST", "/v1/uploads", Upload_Length="5").status == 403


def test_an_upload_is_its_owners_and_there_is_none_for_others(house: House) -> None:
    place = str(house.ask("max", "POST", "/v1/uploads", Upload_Length="5").headers["location"])
    piece = {"Content_Type": OCTETS, "Upload_Offset": "0"}

    for who in ("mia", "gus", "admin"):
        assert house.ask(who, "HEAD", place).status == 410
        assert house.ask(who, "PATCH", place, b"12345", **piece).status == 410
        assert house.ask(who, "DELETE", place).status == 410
    part = str(house.ask("max", "POST", "/v1/uploads", Upload_Length="5", Upload_Concat="partial").headers["location"])
    assert house.ask("mia", "POST", "/v1/uploads", Upload_Concat=f"final;{part}").status == 410
    assert house.ask("max", "PATCH", place, b"12345", **piece).status == 204


def test_a_signed_address_is_no_more_than_who_asked_for_it_may_have(house: House) -> None:
    shared = house.component("shared")
    url = json.loads(house.ask("gus", "POST", f"/v1/files/{shared}/url", {}).data)["url"]
    assert urllib3.request("GET", house.server.url + url).status == 200

    house.commit({"op": "Update", "type": "Component", "ids": [shared], "columns": {"name": ["secret"]}})
    assert urllib3.request("GET", house.server.url + url, retries=False).status == 404
    assert house.ask("gus", "POST", f"/v1/files/{new_component()}/url", {"method": "PUT"}).status == 403
    for wrong in ({"method": "POST"}, {"seconds": "x"}, {"md5": "x"}, {"size": -1, "method": "PUT"}):
        assert 400 <= house.ask("max", "POST", f"/v1/files/{new_component()}/url", wrong).status < 500


def test_without_a_good_credential_there_is_nothing(house: House) -> None:
    shared = house.component("shared")
    for method, path in (
        ("GET", f"/v1/files/{shared}"), ("PUT", f"/v1/files/{shared}"), ("DELETE", f"/v1/files/{shared}"),
        ("POST", f"/v1/files/{shared}/url"), ("POST", "/v1/uploads"), ("PATCH", f"/v1/uploads/{shared}"),
        ("HEAD", f"/v1/uploads/{shared}"),
    ):  # fmt: skip
        for headers in ({}, {"authorization": "Bearer rrk_wrong"}):
            assert urllib3.request(method, house.server.url + path, headers=headers, retries=False).status == 401


# --- rooms whose files lie elsewhere --------------------------------------------------------------


def test_a_room_in_a_database_says_where_its_files_are_to_lie(places_postgres: Places) -> None:
    where = places_postgres()
    with Room.open(where) as room:
        room.commit(Commit(id=uuid.uuid4().bytes, operations=[DefineType(COMPONENT)]))
    with served(where) as server:
        for method, path in (("PUT", f"/v1/files/{new_component()}"), ("POST", "/v1/uploads")):
            answer = server.request(method, path, b"", Upload_Length="0")
            assert (answer.status, error_of(answer)) == (422, "invalid_settings")
