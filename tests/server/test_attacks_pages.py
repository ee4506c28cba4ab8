"""Pages that are asked for with values that mean harm, by people who may look at little, or with tickets of others."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
import urllib3

from recordroom.errors import MailFailed
from recordroom.server.mail import MailSettings, send_mail
from tests.conftest import DATABASES
from tests.server.outsiders import SECRET, Yard, new, yards

HARM = """"><script>alert(1)</script><img src=x onerror=alert(2)>'{{7*7}}</title></h1><svg onload=alert(3)>"""
SCHEMA = """
[Shot.attributes]
link = "hyperlink"
tint = "color"
facts = "json"
tags = { kind = "text", multi = true }
story = "long_text"
sort_of = { kind = "choice", choices = ["<b onclick=x>a", "b"], label = "<script>alert(4)</script>" }
"""


class Seen(HTMLParser):
    """The elements of a page, and where they lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action", "formaction")]


@pytest.fixture(scope="module", params=DATABASES)
def yard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    for found in yards(request, tmp_path_factory.mktemp("yard")):
        found.session.apply_schema(SCHEMA)
        yield found


def address_of(yard: Yard, who: str = "mallory", **asked: Any) -> str:
    answer = yard.ask(who, "POST", "/v1/pages", {"name": "tasks", **asked})
    assert answer.status == 200, answer.data
    return str(answer.json()["url"])


def page(yard: Yard, path: str, **headers: str) -> tuple[int, str]:
    answer = yard.plain("GET", path, **headers)
    return answer.status, answer.data.decode()


def harmless(text: str) -> None:
    """Nothing of what somebody wrote has become a part of the page."""
    seen = Seen(text)
    assert "img" not in seen.tags
    assert seen.tags.count("script") == 0
    assert seen.handlers == []
    assert all(
        each.startswith(("/", "#", "http://", "https://")) and not each.startswith("//") for each in seen.addresses
    )


LINKS = (
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", "http://[",
    "http://[::1", "http:javascript:alert(1)", "https://ok.example/?a=<b>&c=\"onclick='x'",
)  # fmt: skip


@pytest.mark.parametrize("link", LINKS)
def test_values_of_every_kind_are_words_and_no_page(yard: Yard, link: str) -> None:
    session = yard.session
    shot = session.create("Shot", {
        "name": HARM, "link": link, "tint": "#ff0000", "facts": {HARM: [HARM]}, "tags": [HARM, "'onload=x"], "story": HARM * 9,
        "sort_of": "<b onclick=x>a", "description": HARM, "parent": yard.open,
    })  # fmt: skip
    shot["metadata"][HARM] = HARM
    session.create("Task", {"name": HARM, "parent": shot})
    session.production.create_note(shot, HARM, yard.users["mallory"])
    session.commit()

    status, text = page(yard, address_of(yard, name="info", type="Shot", id=str(shot["id"])))

    assert status == 200
    harmless(text)
    assert html.escape("<script>alert(1)</script>") in text
    assert "{{7*7}}" in html.unescape(text)
    for name in ("tasks", "tasks_browser"):
        for more in ("", f"&type=Project&id={yard.open['id']}", "&q=%3Cscript%3Ealert(1)%3C/script%3E%22onx%3D1"):
            status, text = page(yard, address_of(yard, name=name) + more)
            assert status == 200
            harmless(text)


@pytest.mark.parametrize(
    "color", ['#ff0000"/><script>', "url(javascript:1)", "url(https://evil.example/)", '#fff"onload="x', "red;}", "#12"]
)
def test_a_color_is_a_color(yard: Yard, color: str) -> None:
    for who in ("administrator", "mallory"):
        made = yard.make(who, "Shot", new(), name="c", tint=color, parent=str(yard.open["id"]))
        assert (made.status, made.json()["error"]["code"]) == (422, "invalid_value")


@pytest.mark.parametrize(
    "more",
    [
        "&q=%00", "&q=%ED%A0%80", "&q=%25%25%25%5C", "&type=Project&id=zz", "&type=%7B%7D&id=ID", "&type=Token&id=ID",
        "&type=User&id=ID", "&theme=%22%3E%3Cscript%3E", "&page=99999999999", "&page=-1", "&page=%D9%A5", "&show=%3Cb%3E",
        "&x=1", "&next=//evil.example", "&type=Project%20where%20name&id=ID", "&%", "&token=x",
    ],
)  # fmt: skip
def test_parameters_of_no_sense_are_a_page_that_says_so(yard: Yard, more: str) -> None:
    for name in ("tasks", "tasks_browser"):
        answer = yard.plain("GET", address_of(yard, name=name) + more.replace("ID", new()))
        assert answer.status in (200, 400, 404)
        assert "location" not in answer.headers
        harmless(answer.data.decode())


def test_pages_show_nothing_hidden_to_anybody(yard: Yard) -> None:
    project, shot = str(yard.secret["id"]), str(yard.shot["id"])
    for who in ("mallory", "looker", "gus"):
        for kind, entity in (("Project", project), ("Shot", shot), ("Context", shot)):
            hidden = yard.ask(who, "POST", "/v1/pages", {"name": "info", "type": kind, "id": entity})
            nothing = yard.ask(who, "POST", "/v1/pages", {"name": "info", "type": kind, "id": new()})
            assert (hidden.status, nothing.status) == (404, 404)
            assert hidden.json()["error"]["code"] == nothing.json()["error"]["code"]
        for name in ("info", "tasks", "tasks_browser"):
            opening = address_of(yard, who).replace("/pages/tasks?", f"/pages/{name}?")
            for kind, entity in (("Project", project), ("TypedContext", shot), ("User", str(yard.users["bob"]["id"]))):
                _, text = page(yard, f"{opening}&type={kind}&id={entity}")
                assert SECRET not in text
            assert SECRET not in page(yard, f"{opening}&q={SECRET}")[1].replace(f'value="{SECRET}"', "").replace(
                f"“{SECRET}”", ""
            )


def test_a_ticket_opens_pages_for_looking_and_nothing_else(yard: Yard) -> None:
    opening = address_of(yard)
    token = opening.partition("token=")[2].partition("&")[0]
    kept = yard.plain("GET", opening).headers["set-cookie"]
    cookie = kept.partition(";")[0]
    value = cookie.partition("=")[2]

    assert {"HttpOnly", "SameSite=Lax", "Path=/pages"} <= {each.strip() for each in kept.split(";")}
    assert yard.plain("GET", "/pages/tasks", cookie=cookie).status == 200
    for path in (f"/pages/tasks?token={value}", "/pages/tasks?token=a.b", f"/pages/tasks?token={'a' * 9_000}"):
        assert yard.plain("GET", path).status == 401
    assert yard.plain("GET", "/pages/tasks", cookie=f"recordroom-pages={token}").status == 401
    for credential in (token, value):
        headers = {"authorization": f"Bearer {credential}", "cookie": cookie}
        for method, path in (
            ("GET", "/v1/me"),
            ("GET", f"/v1/files/{new()}"),
            ("POST", "/v1/query"),
            ("POST", "/v1/commit"),
        ):
            assert yard.plain(method, path, b"{}", **headers).status == 401
        assert yard.plain("GET", f"/v1/files/{new()}?token={credential}").status == 401
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert yard.plain(method, "/pages/tasks", cookie=cookie).status == 405
    assert yard.plain("GET", "/pages/tasks", cookie='recordroom-pages="\\377;;;=').status in (400, 401)


def test_pages_stand_in_no_frame_of_others_and_in_no_cache(yard: Yard) -> None:
    for path in (address_of(yard), "/pages/welcome", "/pages/tasks", "/pages/info?x=1"):
        headers = yard.plain("GET", path).headers
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'self'" in policy
        assert "default-src 'none'" in policy
        assert not {"unsafe-inline", "unsafe-eval", "*", "data:"} & set(
            policy.replace("'", "").replace(";", " ").split()
        )
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"


def test_nobody_is_invited_or_given_a_key_by_those_who_may_not(yard: Yard) -> None:
    for who in ("mallory", "looker", "gus"):
        for user in ("administrator", "bob", "nobody"):
            invited = yard.ask(who, "POST", "/v1/invitations", {"users": [user], "url": "https://evil.example"})
            keyed = yard.ask(who, "POST", f"/v1/users/{user}/api-key")
            assert invited.status in (400, 403, 404)
            assert keyed.status in (403, 404)
    for path in ("/v1/invitations", "/v1/users/bob/api-key"):
        hidden = yard.ask("gus", "POST", path, {"users": ["bob"]} if "users" not in path else None)
        nothing = yard.ask(
            "gus", "POST", path.replace("bob", "who"), {"users": ["who"]} if "users" not in path else None
        )
        assert hidden.data.replace(b"bob", b"who") == nothing.data
    assert yard.ask("looker", "POST", "/v1/users/mallory/api-key").status == 403


def test_a_welcome_takes_no_password_without_its_code(yard: Yard) -> None:
    origin = {"origin": "https://evil.example", "content-type": "text/plain"}
    given = b'{"grant": "code", "user": "bob", "code": "AAAA-BBBB-CCCC"}'
    answer = yard.plain("POST", "/v1/tokens", given, **origin)
    assert answer.status in (401, 415, 429)
    assert "access-control-allow-origin" not in answer.headers
    changed = urllib3.request(
        "POST",
        f"{yard.server.url}/v1/password",
        json={"new_password": "a long password"},
        headers=origin,
        retries=False,
    )
    assert changed.status == 401
    assert yard.plain("GET", "/pages/welcome?user=%3Cscript%3E").status == 400


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.org\r\nBcc: eve@example.org", "ann@example.org\nSubject: x", "ann@example.org, eve@example.org",
        "all: ann@example.org, eve@example.org;", "", "<>", "ann@example.org\0",
    ],
)  # fmt: skip
def test_mail_goes_to_one_address(address: str) -> None:
    settings = MailSettings(host="127.0.0.1", port=9, sender="rooms@example.org", security="none")
    with pytest.raises(MailFailed, match="is no address"):
        asyncio.run(send_mail(settings, address, "An invitation", "A code"))
