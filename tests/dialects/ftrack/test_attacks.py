"""What people of few rights, and requests of no sense, get from the dialect: errors that say nothing, and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import urllib3
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from recordroom import media
from recordroom.dialects.ftrack import api
from recordroom.server.logs import configure
from tests.conftest import DATABASES
from tests.server.outsiders import PEOPLE, SECRET, Yard, new, yards


@pytest.fixture(scope="module", params=DATABASES)
def yard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    yield from yards(request, tmp_path_factory.mktemp("yard"))


def unnumbered(text: str, *ids: str) -> str:
    """A message without ids."""
    for each in ids:
        text = text.replace(each, "ID")
    return text


# --- rights -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", PEOPLE)
def test_nobody_raises_themselves_by_an_action(yard: Yard, who: str) -> None:
    role = str(yard.session.query("Role where name is administrator").one()["id"])
    own, administrator = (str(yard.users[each]["id"]) for each in (yard.names[who], "administrator"))
    secret = str(yard.secret["id"])
    before = yard.api("administrator", {"action": "query", "expression": "select user_security_roles from User"})
    refusals = [
        {"action": "add_user_security_role", "user_id": own, "role_id": role},
        {"action": "update_user_security_role", "user_id": own, "role_id": role, "new_role_id": role},
        {"action": "grant_user_security_role_project", "user_id": own, "project_id": secret},
        {"action": "reset_remote", "reset_type": "api_key", "entity_type": "User", "entity_key": administrator},
        {"action": "send_user_invite", "user_id": administrator},
        {"action": "create", "entity_type": "User", "entity_data": {"id": new(), "username": "evil"}},
        {"action": "create", "entity_type": "SecurityRole", "entity_data": {"id": new(), "name": "evil"}},
        {
            "action": "create", "entity_type": "UserSecurityRole",
            "entity_data": {"id": new(), "user_id": own, "security_role_id": role},
        },
        {
            "action": "update", "entity_type": "User", "entity_key": [own],
            "entity_data": {"user_security_roles": [{"__entity_type__": "SecurityRole", "id": role}], "is_active": True},
        },
        {"action": "update", "entity_type": "Project", "entity_key": [secret], "entity_data": {"name": "mine"}},
    ]  # fmt: skip

    for operation in refusals:
        assert yard.refused(who, **operation) in ("PermissionError", "EntityNotFoundError", "ValidationError"), (
            operation
        )

    # Whom one does not see has no role that could end.
    assert "ServerError" not in str(
        yard.api(who, {"action": "remove_user_security_role", "user_id": administrator, "role_id": role})
    )
    after = yard.api("administrator", {"action": "query", "expression": "select user_security_roles from User"})
    assert before == after


def test_account_types_have_no_names_there(yard: Yard) -> None:
    for kind in ("Token", "Rule", "Role", "Share", "ProjectMember", "Webhook"):
        assert yard.refused("administrator", action="query", expression=kind) == "ValidationError"
        assert yard.refused("administrator", action="create", entity_type=kind, entity_data={"id": new()}) == (
            "ValidationError"
        )
    described = json.dumps(yard.api("mallory", {"action": "query_schemas"}))
    assert "rrk_" not in described
    for word in ("password", "tokens", "signing", "api_key"):
        assert yard.refused("mallory", action="query", expression=f"select {word} from User") == "ValidationError"


def test_a_custom_attribute_is_a_change_of_the_schema(yard: Yard) -> None:
    kinds = yard.api("administrator", {"action": "query", "expression": "select id from CustomAttributeType"})
    data = {
        "id": new(), "key": "planted", "label": "planted", "entity_type": "show", "config": "{}",
        "type_id": kinds[0]["data"][0]["id"],
    }  # fmt: skip
    operation = {"action": "create", "entity_type": "CustomAttributeConfiguration", "entity_data": data}

    for who in ("bob", *PEOPLE):
        assert yard.refused(who, **operation) in ("PermissionError", "EntityNotFoundError")
    assert "planted" not in json.dumps(yard.api("administrator", {"action": "query_schemas"}))
    assert isinstance(yard.api("administrator", operation), list)


@pytest.mark.parametrize("who", PEOPLE)
def test_what_is_hidden_is_answered_as_what_is_not_there(yard: Yard, who: str) -> None:
    hidden, component = str(yard.shot["id"]), yard.component("bob")
    own = str(yard.open["id"])

    def both(there: str, **operation: Any) -> None:
        nowhere = new()
        texts = []
        for each in (there, nowhere):
            answer = yard.api(who, json.loads(json.dumps(operation).replace("HERE", each)))
            texts.append(unnumbered(json.dumps(answer), each))
        assert texts[0] == texts[1]
        assert "ServerError" not in texts[0]

    both(hidden, action="update", entity_type="Shot", entity_key=["HERE"], entity_data={"name": "x"})
    both(hidden, action="delete", entity_type="Shot", entity_key=["HERE"])
    both(hidden, action="get_widget_url", name="info", entity_type="Shot", entity_key=["HERE"])
    both(hidden, action="create", entity_type="Metadata", entity_key=["HERE", "k"], entity_data={"value": "v"})
    both(hidden, action="query", expression="Shot where id is HERE")
    both(hidden, action="query", expression="Metadata where parent_id is HERE")
    both(hidden, action="query", expression="ContextCustomAttributeValue where entity_id is HERE")
    both(component, action="encode_media", component_id="HERE")
    shot = {"id": "01890a5d-ac96-774b-bcce-b302099a8057", "name": "x", "project_id": own}
    both(hidden, action="create", entity_type="Shot", entity_data={**shot, "parent_id": "HERE"})
    note = {"id": "01890a5d-ac96-774b-bcce-b302099a8058", "content": "x"}
    for kind in ("Shot", "Project", "User", "Nothing"):
        parent = {"__entity_type__": kind, "id": "HERE"}
        both(hidden, action="create", entity_type="Note", entity_data={**note, "parent": parent})
        both(hidden, action="create", entity_type="Note", entity_data={**note, "parent_id": parent, "parent_type": "x"})
    assert SECRET not in json.dumps(yard.api(who, {"action": "query", "expression": "select name from Context"}))


def test_bytes_of_others_are_neither_read_nor_removed_nor_replaced(yard: Yard) -> None:
    component = yard.component("bob", b"of bob")

    def get(who: str, path: str, user: str = "") -> int:
        query = f"id={component}&username={user or yard.names[who]}&apiKey={yard.keys[who]}"
        return yard.plain("GET", f"/component/{path}?{query}").status

    for who in PEOPLE:
        assert [get(who, path) for path in ("get", "thumbnail", "remove")] == [404] * 3
        asked = {"component_id": component, "file_name": "x", "file_size": 1}
        assert yard.refused(who, action="get_upload_metadata", **asked) == "PermissionError"
        assert get(who, "remove", "bob") == 401
    assert yard.plain("GET", f"/component/remove?id={component}").status == 401
    assert yard.ask("bob", "GET", f"/v1/files/{component}").data == b"of bob"


def test_a_key_for_looking_removes_nothing_by_a_get(yard: Yard) -> None:
    component = yard.component("mallory")
    query = f"id={component}&username=mallory&apiKey={yard.keys['looker']}"

    assert yard.plain("GET", f"/component/get?{query}").status == 200
    assert yard.plain("GET", f"/component/remove?{query}").status == 403
    assert yard.plain("GET", f"/component/get?{query}").status == 200


def picture(size: int) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (size, size // 2), "teal").save(file, "png")
    return file.getvalue()


def test_a_picture_is_not_opened_for_every_size(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    real = media.thumbnail

    def counted(source: Path, target: Path, size: int) -> tuple[int, int]:
        opened.append(source.stat().st_size)
        return real(source, target, size)

    monkeypatch.setattr(media, "thumbnail", counted)
    data, none = picture(3_000), b"this is no picture"
    for which, sizes in ((data, (10, 20, 30, 2048, 20)), (none, (10, 20, 30))):
        component = yard.component("mallory", which)
        for size in sizes:
            query = f"id={component}&size={size}&username=mallory&apiKey={yard.keys['looker']}"
            answer = yard.plain("GET", f"/component/thumbnail?{query}")
            assert answer.status == 200
            if which is data:
                assert PIL.Image.open(io.BytesIO(answer.data)).size == (size, size // 2)

    assert opened.count(len(data)) == 2
    assert opened.count(len(none)) == 1


# --- requests of no sense ---------------------------------------------------------------------------------

NONSENSE: list[dict[str, Any]] = [
    {},
    {"action": ["x"]},
    {"action": "{0.__class__}"},
    {"action": "query"},
    {"action": "query", "expression": {"a": 1}},
    {"action": "query", "expression": "Nope{0}"},
    {"action": "query", "expression": "Task where {x} is '{y}'"},
    {"action": "query", "expression": "Task where " + "(" * 5_000 + "name is a" + ")" * 5_000},
    {"action": "query", "expression": "Task where " + "not " * 5_000 + "name is a"},
    {"action": "query", "expression": f"Task where id in ({','.join(['x'] * 40_000)})"},
    {"action": "query", "expression": "Task limit 99999999999999999999"},
    {"action": "query", "expression": "Task where bid is nan"},
    {"action": "query", "expression": f"Task where bid is {'9' * 5_000}"},
    {"action": "create"},
    {"action": "create", "entity_type": {"a": 1}},
    {"action": "create", "entity_type": "Shot", "entity_data": [1]},
    {"action": "create", "entity_type": "Shot", "entity_data": {"id": "x"}},
    {"action": "create", "entity_type": "Context", "entity_data": {"id": "01890a5d-ac96-774b-bcce-b302099a8057"}},
    {"action": "update", "entity_type": "Shot", "entity_key": [{}]},
    {"action": "update", "entity_type": "Metadata", "entity_key": ["x", "\0"], "entity_data": {"value": {"a": 1}}},
    {"action": "delete", "entity_type": "CustomAttributeConfiguration", "entity_key": []},
    {"action": "get_widget_url", "name": "info", "entity_type": "Metadata", "entity_key": ["x"]},
    {
        "action": "get_widget_url", "name": "info", "entity_type": "Metadata",
        "entity_key": ["01890a5d-ac96-774b-bcce-b302099a8057"],
    },
    {
        "action": "get_widget_url", "name": "tasks", "entity_type": "CustomAttributeValue",
        "entity_key": "01890a5d-ac96-774b-bcce-b302099a8057",
    },
    {"action": "get_widget_url", "name": "../v1/me"},
    {"action": "encode_media", "component_id": None},
    {"action": "get_upload_metadata", "component_id": "../../etc/passwd"},
    {"action": "reset_remote", "reset_type": "password", "entity_type": "User", "entity_key": {}},
    {"action": "delayed_job", "job_type": "{}"},
]  # fmt: skip


@pytest.mark.parametrize("operation", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_refused_by_name_and_no_failure(yard: Yard, operation: dict[str, Any]) -> None:
    for who in ("administrator", "mallory"):
        answer = yard.api(who, operation)
        assert answer["exception"] not in ("ServerError", ""), answer
        assert not set("{}") & set(answer["content"])
        assert len(answer["content"]) < 6_000


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59.5", "9999-12-31T23:00:00-10:00"]
)
def test_moments_at_the_ends_of_time_are_compared(yard: Yard, moment: str) -> None:
    for operator in ("is", "is_not", ">", "<", "in ("):
        expression = f'Task where end_date {operator} "{moment}"' + (")" if "(" in operator else "")
        assert isinstance(yard.api("mallory", {"action": "query", "expression": expression}), list)


def test_a_batch_that_goes_wrong_at_its_end_has_changed_nothing(yard: Yard) -> None:
    own, count = str(yard.open["id"]), 'select id from Folder where name like "bomb %"'
    bomb = [
        {
            "action": "create",
            "entity_type": "Folder",
            "entity_data": {"id": new(), "name": f"bomb {n}", "parent_id": own},
        }
        for n in range(200)
    ]
    theirs = {
        "action": "update",
        "entity_type": "Shot",
        "entity_key": [str(yard.shot["id"])],
        "entity_data": {"name": "x"},
    }

    for last in (theirs, {"action": "nonsense"}, {"action": "query", "expression": "No"}, {"action": "encode_media"}):
        assert isinstance(yard.api("mallory", *bomb, last), dict)
        assert yard.api("mallory", {"action": "query", "expression": count})[0]["data"] == []


def test_questions_in_one_request_are_counted(yard: Yard) -> None:
    question = {"action": "query", "expression": "select name from Context"}

    assert len(yard.api("mallory", *[question] * 1_000)) == 1_000
    assert yard.api("mallory", *[question] * 1_001)["exception"] == "ValidationError"
    change = {"action": "update", "entity_type": "Project", "entity_key": [str(yard.open["id"])], "entity_data": {}}
    assert len(yard.api("mallory", change, *[question] * 50)) == 51
    assert yard.api("mallory", change, *[question] * 51)["exception"] == "ValidationError"


def test_answers_together_are_bounded(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_MOST_HELD", 20_000)
    question = {"action": "query_schemas"}

    assert yard.api("mallory", question)["exception"] == "ValidationError"
    assert len(yard.api("mallory", *[{"action": "query", "expression": "select name from Project"}] * 5)) == 5
    change = {"action": "update", "entity_type": "Project", "entity_key": [str(yard.open["id"])], "entity_data": {}}
    assert len(yard.api("mallory", question, change)) == 2


def test_a_body_of_nothing_but_signs_is_not_unpacked(yard: Yard) -> None:
    headers = {"ftrack-user": "mallory", "ftrack-api-key": yard.keys["mallory"]}
    for part in (b"{},", b'{"a":[[[[]]]]},'):
        body = b"[" + part * 600_000 + b"{}]"
        answer = urllib3.request("POST", f"{yard.server.url}/api", body=body, headers=headers, retries=False)
        assert answer.json()["exception"] == ("ValidationError" if b"a" in part else "InvalidActionError")
    assert "objects and lists" in answer.json()["content"]


def test_circles_that_somebody_made_of_parents_end_nothing(yard: Yard) -> None:
    first, second = new(), new()
    assert yard.make("mallory", "Folder", first, name="a", parent=str(yard.open["id"])).status == 200
    assert yard.make("mallory", "Folder", second, name="b", parent=first).status == 200
    assert yard.commit(
        "mallory", {"op": "Update", "type": "Folder", "ids": [first], "columns": {"parent": [second]}}
    ).status in (200, 422)

    for asked in ("select link, ancestors, descendants from Folder", "Folder where ancestors any (name is x)"):
        assert isinstance(yard.api("mallory", {"action": "query", "expression": asked}), list)
    with socket_of(yard, "mallory") as found:
        assert found.subscribe("topic=ftrack.update", "all")
        update = {"op": "Update", "type": "Folder", "ids": [second], "columns": {"description": ["x"]}}
        assert yard.commit("mallory", update).status == 200
        while not any("ftrack.update" in each for each in found.came):
            found.came.append(str(found.socket.recv(20)))


# --- the hub ----------------------------------------------------------------------------------------------


class Socket:
    """A socket of somebody, raw."""

    def __init__(self, yard: Yard, who: str) -> None:
        self.ticket = ticket_of(yard, who)
        self.socket = opened(yard, self.ticket)
        self.number = 0
        self.came: list[str] = []
        assert self.socket.recv(10) == "1::"

    def send(self, topic: Any, data: Any = None, **more: Any) -> dict[str, Any]:
        """What the server answers to an event."""
        self.number += 1
        event = {"topic": topic, "data": data, "source": {}, "id": new(), **more}
        self.socket.send(f"5:{self.number}+::{json.dumps({'name': 'ftrack.event', 'args': [event]})}")
        while True:
            text = str(self.socket.recv(20))
            if text.startswith(f"6:::{self.number}+"):
                found: dict[str, Any] = json.loads(text.partition("+")[2])[0]
                return found
            self.came.append(text)

    def subscribe(self, expression: Any, identifier: str) -> bool:
        """Whether a subscription is taken."""
        data = {"subscriber": {"id": identifier}, "subscription": expression}
        return bool(self.send("ftrack.meta.subscribe", data)["success"])


def ticket_of(yard: Yard, who: str) -> str:
    answer = yard.plain("GET", f"/socket.io/1/?api_user={yard.names[who]}&api_key={yard.keys[who]}")
    return answer.data.decode().partition(":")[0]


def opened(yard: Yard, ticket: str) -> ClientConnection:
    found: ClientConnection = connect(
        f"{yard.server.url.replace('http', 'ws')}/socket.io/1/websocket/{ticket}", max_size=None
    ).__enter__()
    return found


@contextlib.contextmanager
def socket_of(yard: Yard, who: str) -> Iterator[Socket]:
    found = Socket(yard, who)
    try:
        yield found
    finally:
        found.socket.close()


def test_a_socket_is_for_who_was_given_its_ticket_once(yard: Yard) -> None:
    for ticket in ("", "0" * 48, "x", "../x", yard.keys["mallory"]):
        with pytest.raises(InvalidStatus):
            opened(yard, ticket)
    with socket_of(yard, "mallory") as found, pytest.raises(InvalidStatus):
        opened(yard, found.ticket)
    for query in ("", "?api_user=mallory", f"?api_user=administrator&api_key={yard.keys['mallory']}"):
        assert yard.plain("GET", f"/socket.io/1/{query}").status == 401


def test_what_listens_is_bounded_by_how_much_there_is_to_judge(yard: Yard) -> None:
    with socket_of(yard, "gus") as found:
        long = " or ".join(f"data.a{number}=x*" for number in range(300))
        taken = [found.subscribe(f"topic=x{number} or {long}", f"s{number}") for number in range(60)]
        assert taken[0]
        assert not taken[-1]
        assert 200_000 - len(long) - 20 < sum(taken) * len(long) < 200_000
        assert not found.subscribe("(" * 2_000 + "topic=x" + ")" * 2_000, "deep")
        assert not found.subscribe("not " * 1_200 + "topic=x", "negated")
        assert found.send("ftrack.meta.unsubscribe", {"subscriber": {"id": "s0"}})["success"]
        assert found.subscribe(f"topic=again or {long}", "again")


def test_nonsense_on_a_socket_ends_no_socket(yard: Yard) -> None:
    with socket_of(yard, "mallory") as found:
        for text in ("", "x", "5:::{", "5:::[1]", f"5:::{'[' * 100_000}", "9:::", "6:::99+[]", "4:::{}", "7:::", "\0"):
            found.socket.send(text)
        for data in ("x", None, [], {"subscriber": 1}, {"subscriber": {}, "subscription": "topic=*"}):
            assert not found.send("ftrack.meta.subscribe", data)["success"]
        assert not found.send({"a": 1}, {})["success"]
        assert not found.send("recordroom.commit", {})["success"]
        assert not found.send("x", {}, target="(" * 2_000)["success"]
        assert found.send("fine", {})["success"]
        assert all(each.startswith(("7:", "1:", "2:")) for each in found.came)


def test_a_message_that_is_too_large_is_not_kept(yard: Yard) -> None:
    with socket_of(yard, "mallory") as found:
        found.socket.send("5:::" + "x" * (3 * 2**20))
        with pytest.raises(ConnectionClosed):
            list(found.socket)


def test_events_are_from_who_sends_them_and_not_of_what_is_hidden(yard: Yard) -> None:
    with socket_of(yard, "mallory") as other, socket_of(yard, "looker") as looker, socket_of(yard, "gus") as guest:
        assert other.subscribe("topic=*", "all")
        assert not guest.send("mine", {})["success"]
        assert not looker.send("x", {})["success"]
        yard.session.create("Shot", {"name": f"{SECRET} too", "parent": yard.secret})
        yard.session.commit()
        assert other.send("mine", {}, source={"user": {"username": "administrator", "id": "x"}})["success"]
        while not any('"mine"' in each for each in other.came):
            other.came.append(str(other.socket.recv(20)))
        [mine] = [each for each in other.came if '"mine"' in each]
        assert '"username": "mallory"' in mine
        assert "administrator" not in mine
        assert SECRET not in "".join(other.came)
        assert str(yard.shot["id"]) not in "".join(other.came)


# --- what is written down ---------------------------------------------------------------------------------


def test_keys_are_in_no_log_no_error_and_no_metric(yard: Yard) -> None:
    stream, key = io.StringIO(), yard.keys["mallory"]
    loggers = [logging.getLogger(name) for name in ("recordroom", "uvicorn")]
    kept = [(each, each.handlers[:], each.level, each.propagate) for each in loggers]
    component, answers = yard.component("mallory"), []
    try:
        configure("debug", "json", stream)
        for path in (
            f"/component/get?id={component}&username=mallory&apiKey={key}",
            f"/component/get?id=x&username=mallory&apiKey={key}",
            f"/component/thumbnail?id={component}&size=x&username=mallory&apiKey={key}",
            f"/component/nothing?username=mallory&apiKey={key}",
            f"/component/get?id={component}&username=nobody&apiKey={key}",
            f"/socket.io/1/?api_user=mallory&api_key={key}",
            f"/socket.io/1/?api_user=nobody&api_key={key}",
            f"/socket.io/nothing?api_user=mallory&api_key={key}",
            f"/nothing?apiKey={key}",
            f"/api?apiKey={key}",
            "/metrics",
        ):
            answer = yard.plain("GET", path)
            answers.append(f"{answer.headers} {answer.data!r}")
        with pytest.raises(InvalidStatus):
            connect(f"{yard.server.url.replace('http', 'ws')}/socket.io/1/websocket/0?api_key={key}").__enter__()
    finally:
        for logger, handlers, level, propagate in kept:
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
    assert key not in "".join(answers)
    assert "a socket was refused" in stream.getvalue()
    assert key not in stream.getvalue()


def test_the_address_of_a_client_is_no_place_for_more(yard: Yard) -> None:
    body = json.dumps([{"action": "get_upload_metadata", "component_id": new(), "file_name": "x", "file_size": 1}])
    for host in ('evil"/><x', "a b", "a/b", "a@b"):
        headers = {"ftrack-user": "mallory", "ftrack-api-key": yard.keys["mallory"], "host": host}
        answer = urllib3.request("POST", f"{yard.server.url}/api", body=body, headers=headers, retries=False)
        if answer.status == 200:
            assert answer.json()[0]["url"].startswith("/v1/files/")
