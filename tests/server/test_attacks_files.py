"""Bytes of others: what people try who may not have them, with ids that they have learned somewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from recordroom.server.jobs import Order, _Process
from tests.conftest import DATABASES
from tests.server.outsiders import Yard, new, yards


@pytest.fixture(scope="module", params=DATABASES)
def yard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    yield from yards(request, tmp_path_factory.mktemp("yard"))


def test_bytes_of_a_deleted_component_are_not_had_by_making_it_anew(yard: Yard) -> None:
    component = yard.component()
    assert yard.commit("administrator", {"op": "Delete", "type": "FileComponent", "ids": [component]}).status == 200

    assert yard.make("mallory", "FileComponent", component, name="mine").status == 403
    assert yard.ask("mallory", "GET", f"/v1/files/{component}").status == 404
    assert yard.make("mallory", "FileComponent", new(), name="mine").status == 200


def test_bytes_that_wait_for_their_commit_are_not_had_by_committing_first(yard: Yard) -> None:
    component = new()
    assert yard.ask("bob", "PUT", f"/v1/files/{component}", b"of bob").status == 200

    assert yard.make("mallory", "FileComponent", component, name="mine").status == 403
    assert yard.make("bob", "FileComponent", component, name="his").status == 200
    assert yard.ask("bob", "GET", f"/v1/files/{component}").data == b"of bob"
    assert yard.ask("mallory", "GET", f"/v1/files/{component}").status == 404


# --- addresses --------------------------------------------------------------------------------------------


def url_of(yard: Yard, who: str, component: str, **asked: Any) -> str:
    answer = yard.ask(who, "POST", f"/v1/files/{component}/url", asked)
    assert answer.status == 200, answer.data
    return str(answer.json()["url"])


def test_a_signed_address_is_good_for_what_it_says(yard: Yard) -> None:
    component, other = yard.component("mallory", b"of mallory"), yard.component("mallory", b"other")
    reading = url_of(yard, "mallory", component)
    writing = url_of(yard, "mallory", new(), method="PUT", size=5)
    token = reading.partition("token=")[2]

    assert yard.plain("GET", reading).data == b"of mallory"
    for method, path in (
        ("PUT", reading), ("DELETE", reading), ("POST", reading), ("GET", writing), ("GET", f"/v1/files/{other}?token={token}"),
        ("GET", f"{reading}x"), ("GET", f"{reading}&token={token}"),
        ("GET", reading.replace("token=", "token=%00")), ("POST", f"/v1/files/{component}/url?token={token}"),
        ("GET", f"/v1/me?token={token}"), ("GET", f"/pages/tasks?token={token}"),
    ):  # fmt: skip
        answer = yard.plain(method, path, b"12345" if method != "GET" else None)
        assert answer.status in (400, 401, 404, 405) or (method, path) == path
        assert b"of mallory" not in answer.data
        assert answer.data != b"other"
    for data in (b"1234", b"123456", iter([b"12", b"345678"]), iter([b"123"])):
        assert yard.plain("PUT", writing, data).status in (400, 413, 422)
    assert yard.plain("PUT", writing, b"12345").status == 200


def test_an_address_of_a_looker_is_for_looking(yard: Yard) -> None:
    component = yard.component("mallory")

    assert yard.plain("GET", url_of(yard, "looker", component)).status == 200
    assert yard.ask("looker", "POST", f"/v1/files/{component}/url", {"method": "PUT"}).status == 403
    for who in ("mallory", "gus", "looker"):
        assert yard.ask(who, "POST", f"/v1/files/{yard.component('bob')}/url", {}).status == 404


NAMES = (
    "a.html", "a.svg", "a.xhtml", "a.xml", "a.js", "a.mht", "a.htm\0l", "page.txt;.html", "x.png.html", "../../etc/passwd",
    "..\\..\\boot.ini", "a\r\nSet-Cookie: x=y.png", '"; filename="evil.html".png', "\u202egnp.exe", "CON", "", ". .", "x" * 5_000,
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_of_files_neither_lead_away_nor_make_pages(yard: Yard, name: str) -> None:
    component = yard.component("mallory")
    sent = yard.ask(
        "mallory", "PUT", f"/v1/files/{component}?{urlencode({'name': name})}", b"<script>alert(1)</script>"
    )
    if sent.status == 400:
        return
    answer = yard.ask("mallory", "GET", f"/v1/files/{component}")

    disposition = answer.headers["content-disposition"]
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    if disposition.startswith("inline"):
        assert answer.headers["content-type"] == "image/png"
    else:
        assert answer.headers["content-type"] == "application/octet-stream"
    assert disposition.count('"') == 2
    assert not set("/\\\r\n") & set(disposition.partition('"')[2].partition('"')[0])


def test_paths_that_lead_elsewhere_lead_nowhere(yard: Yard) -> None:
    for path in ("..%2f..%2fetc%2fpasswd", "%2e%2e", "%00", "a" * 5_000, "{}", "%ff", "-1", new().upper() + "x"):
        for method in ("GET", "PUT", "DELETE"):
            assert yard.ask("mallory", method, f"/v1/files/{path}", b"x" if method == "PUT" else None).status in (
                400,
                404,
            )
        assert yard.ask("mallory", "GET", f"/v1/uploads/{path}").status in (400, 404)


def test_another_database_is_no_way_around(yard: Yard) -> None:
    component = yard.component("bob")
    for database in ("other", "", "main'", "../main", "rr_file"):
        for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/url")):
            more = urlencode({"database": database})
            answer = yard.ask(
                "mallory", method, f"/v1/files/{component}{path}?{more}", b"{}" if method != "GET" else None
            )
            assert 400 <= answer.status < 500
    assert yard.ask("bob", "GET", f"/v1/files/{component}").data == b"the secret bytes"


# --- jobs -------------------------------------------------------------------------------------------------


def test_nobody_has_work_done_as_somebody_else(yard: Yard) -> None:
    session = yard.session
    ran: list[str] = []
    session.jobs.register("spend", lambda running: ran.append(running.data["what"]))
    job = session.jobs.submit("spend", {"what": "theirs"}, user=yard.users["mallory"])
    change = {"op": "Update", "type": "Job", "ids": [str(job["id"])], "columns": {"data": ['{"what": "mine"}']}}
    assert yard.commit("mallory", change).status == 200
    administrator, mallory = (str(yard.users[name]["id"]) for name in ("administrator", "mallory"))

    assert yard.make("mallory", "Job", new(), type="spend", user=administrator).status == 403
    forged = yard.make("mallory", "Job", new(), type="spend", user=mallory, created_by="administrator")
    assert forged.status == 422
    hidden = session.jobs.submit("spend", {"what": "hidden"})
    change["ids"] = [str(hidden["id"])]
    assert yard.commit("mallory", change).status == 404
    session.jobs.run_pending()

    assert ran == ["hidden"]
    session.refresh(job)
    assert job["status"] == "failed"
    assert "a job of administrator that mallory changed" in job["log"]


def test_a_job_names_nothing_that_its_owner_does_not_see(yard: Yard) -> None:
    component, job = yard.component("bob"), new()
    mallory = str(yard.users["mallory"]["id"])
    assert yard.make("mallory", "Job", job, type="api_job", user=mallory).status == 200

    assert yard.make("mallory", "JobComponent", new(), job=job, component=component).status == 422
    place = {"location": "3a372bde-05bc-11e4-8908-20c9d081909b", "resource_identifier": component}
    assert yard.make("mallory", "ComponentLocation", new(), component=component, **place).status == 422
    assert yard.make("mallory", "Location", new(), name="evil", storage='{"url": "s3://evil"}').status == 403


def test_the_key_of_jobs_is_no_key_of_the_server(yard: Yard) -> None:
    name = base64.urlsafe_b64encode(b"administrator").decode()
    for key in (f".{name}", f"x.{name}", f"{yard.keys['mallory']}.{name}", "", "."):
        assert yard.plain("GET", "/v1/me", authorization=f"Bearer {key}").status == 401


def test_processes_of_a_server_load_nothing_from_the_folder_that_it_runs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text("from pathlib import Path\nPath('planted').touch()\nraise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    process = _Process(Order(url="http://127.0.0.1:9", key="x", lease=1.0, idle=0.0))
    try:
        assert process.process.wait(60) != 3  # there is no server for it
    finally:
        process.end()

    assert not (tmp_path / "planted").exists()


def test_a_signed_address_ends_with_the_key_that_asked_for_it(yard: Yard) -> None:
    component = yard.component("mallory", b"of mallory")
    asked = {"grant": "api_key", "name": "brief", "user": "mallory"}
    made = json.loads(yard.server.request("POST", "/v1/tokens", asked).data)
    given = {"Authorization": f"Bearer {made['api_key']}"}
    reading, writing = (
        json.loads(yard.server.request("POST", f"/v1/files/{each}/url", {"method": method}, **given).data)["url"]
        for method, each in (("GET", component), ("PUT", new()))
    )
    thumbnail = f"/component/thumbnail?id={component}&token={reading.partition('token=')[2]}"
    assert (yard.plain("GET", reading).status, yard.plain("GET", thumbnail).status) == (200, 200)

    [token] = [each for each in yard.session.query("Token where user.name is mallory") if each["name"] == "brief"]
    yard.session.delete(token)
    yard.session.commit()

    for method, path in (("GET", reading), ("PUT", writing), ("GET", thumbnail)):
        answer = yard.plain(method, path, b"x" if method == "PUT" else None)
        assert answer.status in (401, 403), (method, path, answer.status, answer.data)
    assert yard.plain("GET", url_of(yard, "mallory", component)).status == 200


def test_a_signed_address_ends_with_its_user(yard: Yard) -> None:
    component = yard.component("bob", b"of bob")
    reading = url_of(yard, "bob", component)

    yard.users["bob"]["active"] = False
    yard.session.commit()
    try:
        assert yard.plain("GET", reading).status == 401
    finally:
        yard.users["bob"]["active"] = True
        yard.session.commit()
    assert yard.plain("GET", reading).status == 200
