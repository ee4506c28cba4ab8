"""Pages that an address opens for six minutes, invitations by mail, and API keys given anew."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

import recordroom as rr
from recordroom.model.actor import Actor
from recordroom.server.mail import MailSettings
from recordroom.server.people import PageTicket
from tests.served import Served, served
from tests.server.studio import furnish


class Studio(NamedTuple):
    server: Served
    session: rr.Session
    there: dict[str, Any]


class Post:
    """An SMTP server's memory. It refuses the address `full@example.org`."""

    def __init__(self) -> None:
        self.came: list[EmailMessage] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address == "full@example.org":
            return "552 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        found = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(found, EmailMessage)
        self.came.append(found)
        return "250 OK"


class AnyPort(Controller):
    """Listens on a port that the system picks."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def posting() -> Iterator[tuple[Post, MailSettings]]:
    post = Post()
    controller = AnyPort(post, hostname="127.0.0.1", port=0)
    controller.start()
    try:
        sender = "Studio <room@example.org>"
        yield post, MailSettings(host="127.0.0.1", port=controller.port, security="none", sender=sender)
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def post() -> Iterator[tuple[Post, MailSettings]]:
    with posting() as found:
        yield found


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, post: tuple[Post, MailSettings]) -> Iterator[Studio]:
    path = str(tmp_path_factory.mktemp("people") / "studio.room")
    with served(path, accounts=True, mail=post[1]) as server, rr.connect(server.url, api_key=server.api_key) as session:
        yield Studio(server, session, furnish(session))


def get(url: str, cookie: str = "") -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", url, headers={"cookie": cookie} if cookie else {}, retries=False)


def cookie_of(answer: urllib3.BaseHTTPResponse) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def text_of(answer: urllib3.BaseHTTPResponse) -> str:
    return re.sub(r"\s+", " ", answer.data.decode())


# --- pages ----------------------------------------------------------------------------------------


def test_an_address_opens_a_page_without_another_credential(studio: Studio) -> None:
    answer = get(studio.session.widget_url("info", studio.there["animation 1"]))

    assert answer.status == 200
    text = text_of(answer)
    for expected in ("animation 1", "sh0010", "sq010", "bbb", "In progress", "Animation", "camera"):
        assert expected in text
    assert 'data-theme="dark"' in text


def test_what_only_clients_need_is_on_no_page(studio: Studio) -> None:
    version = studio.session.create(
        "AssetVersion", {"asset": studio.session.create("Asset", {"name": "a", "parent": studio.there["bbb"]})}
    )
    version["link_ids"]["an id of a client"] = "a member"
    version["metadata"]["camera"] = "A"
    studio.session.commit()
    text = text_of(get(studio.session.widget_url("info", version)))

    assert "camera" in text
    assert "an id of a client" not in text


def test_what_people_wrote_is_never_markup(studio: Studio) -> None:
    text = text_of(get(studio.session.widget_url("info", studio.there["animation 1"])))

    assert "&lt;b&gt;move&lt;/b&gt;" in text
    assert "&lt;script&gt;document.title" in text
    assert "<i>A</i>" not in text
    assert "<script" not in text


def test_pages_allow_no_script_and_no_frame_of_others_and_are_kept_nowhere(studio: Studio) -> None:
    answer = get(studio.session.widget_url("tasks"))

    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert {"HttpOnly", "SameSite=Lax", "Path=/pages"} <= {
        each.strip() for each in answer.headers["set-cookie"].split(";")
    }


@pytest.mark.parametrize(
    ("given", "expected"), [("light", "light"), ("dark", "dark"), (None, "dark"), ("mauve", "dark")]
)
def test_the_theme_is_dark_unless_it_is_light(studio: Studio, given: str | None, expected: str) -> None:
    assert f'data-theme="{expected}"' in text_of(get(studio.session.widget_url("tasks", theme=given)))


def test_a_browser_goes_on_with_its_cookie(studio: Studio) -> None:
    first = get(studio.session.widget_url("tasks"))

    answer = get(f"{studio.server.url}/pages/tasks_browser", cookie_of(first))

    assert answer.status == 200
    assert "bbb" in text_of(answer)


def test_a_cookie_is_no_address_and_an_address_no_cookie(studio: Studio) -> None:
    url = studio.session.widget_url("tasks")
    kept = cookie_of(get(url)).partition("=")[2]
    token = parse_qs(urlsplit(url).query)["token"][0]

    assert get(f"{studio.server.url}/pages/tasks?token={kept}").status == 401
    assert get(f"{studio.server.url}/pages/tasks", f"recordroom-pages={token}").status == 401


@pytest.mark.parametrize("cookie", ["", "recordroom-pages=", "recordroom-pages=a.b", "recordroom-pages=\xff", 'x="'])
def test_without_a_good_cookie_nothing_is_shown(studio: Studio, cookie: str) -> None:
    answer = get(f"{studio.server.url}/pages/tasks", cookie)

    assert answer.status == 401
    assert "This page has ended" in text_of(answer)
    assert "animation" not in text_of(answer)


def test_an_altered_token_opens_nothing(studio: Studio) -> None:
    url = studio.session.widget_url("tasks")
    token = parse_qs(urlsplit(url).query)["token"][0]
    payload, mac = token.split(".")
    other = "A" if payload[5] != "A" else "B"

    for wrong in (f"{payload[:5]}{other}{payload[6:]}.{mac}", f"{payload}.{mac[:-4]}AAAA", payload, "", "." * 5000):
        assert get(f"{studio.server.url}/pages/tasks?token={wrong}").status in (401, 431)


def test_an_address_ends(studio: Studio) -> None:
    people = studio.server.service.people
    now = int(time.time())
    ended = PageTicket(actor=Actor(name="administrator"), opened=now - 361, expires=now - 1, address=True)
    token = asyncio.run_coroutine_threadsafe(people.token(ended), studio.server.loop).result(10)

    answer = get(f"{studio.server.url}/pages/tasks?token={token}")

    assert answer.status == 401
    assert "six minutes" in text_of(answer)


def test_a_page_ends_with_the_key_that_asked_for_it(studio: Studio) -> None:
    key = studio.session.reset_remote("api_key", "ada")
    with rr.connect(studio.server.url, api_key=key) as ada:
        url = ada.widget_url("tasks")
    cookie = cookie_of(get(url))
    studio.session.reset_remote("api_key", "ada")

    assert get(url).status == 401
    assert get(f"{studio.server.url}/pages/tasks", cookie).status == 401


def test_pages_show_what_the_one_who_asked_may_see(studio: Studio) -> None:
    key = studio.session.reset_remote("api_key", studio.there["ada"])
    url = studio.session.widget_url("info", studio.there["animation 1"])
    with rr.connect(studio.server.url, api_key=key) as ada:
        own = get(ada.widget_url("tasks_browser"))
        cookie = cookie_of(own)

        # Ada has no role: she sees herself, and no project.
        assert "bbb" not in text_of(own)
        rest = urlsplit(url)
        given = "&".join(each for each in rest.query.split("&") if not each.startswith("token="))
        hidden = get(f"{studio.server.url}{rest.path}?{given}", cookie)
        assert hidden.status == 404
        assert "animation" not in text_of(hidden)


def test_tasks_are_those_one_is_assigned_to(studio: Studio) -> None:
    opened = text_of(get(studio.session.widget_url("tasks", studio.there["ada"])))
    done = get(studio.session.widget_url("tasks", studio.there["ada"]) + "&show=done")

    assert "Tasks of ada" in opened
    assert "animation 1" in opened
    assert "compositing 1" not in opened
    assert "compositing 1" in text_of(done)
    assert "There are no open tasks here" in text_of(get(studio.session.widget_url("tasks")))


def test_late_tasks_are_marked(studio: Studio) -> None:
    text = text_of(get(studio.session.widget_url("tasks", studio.there["sq010"])))

    late = re.findall(r'<td data-label="Due" class="late">', text)
    assert len(late) == 2  # of shot 1: animation and lighting


def test_the_tree_goes_down_and_finds_by_name(studio: Studio) -> None:
    top = text_of(get(studio.session.widget_url("tasks_browser")))
    inside = text_of(get(studio.session.widget_url("tasks_browser", studio.there["sq010"])))
    search = text_of(get(studio.session.widget_url("tasks_browser", studio.there["bbb"]) + "&q=LIGHT"))
    nothing = text_of(get(studio.session.widget_url("tasks_browser") + "&q=100%25"))

    assert "bbb" in top
    assert "sh0010" not in top
    assert all(name in inside for name in ("sh0010", "sh0020", "sh0030"))
    assert all(f"lighting {number}" in search for number in (1, 2, 3))
    assert "animation" not in search
    assert "Nothing is called like “100%”" in nothing


@pytest.mark.parametrize("name", ["nothing", "", "../info", "Info"])
def test_a_page_that_there_is_not_is_named(studio: Studio, name: Any) -> None:
    with pytest.raises(rr.InvalidValue, match="tasks_browser"):
        studio.session.widget_url(name)
    answer = studio.server.request("POST", "/v1/pages", {"name": name})
    assert answer.status == 400


def test_the_page_of_an_entity_needs_one(studio: Studio) -> None:
    with pytest.raises(rr.InvalidRequest, match="say which"):
        studio.session.widget_url("info")


def test_an_embedded_room_has_no_pages(tmp_path: Any) -> None:
    with rr.connect(str(tmp_path / "here.room")) as session, pytest.raises(rr.NotSupported, match="recordroom serve"):
        session.widget_url("tasks")


def test_a_room_without_tasks_says_so(tmp_path: Any) -> None:
    path = str(tmp_path / "plain.room")
    with served(path, accounts=True) as server, rr.connect(server.url, api_key=server.api_key) as session:
        user = session.query("User").one()

        assert get(session.widget_url("info", user)).status == 200
        assert "template &#39;production&#39;" in text_of(get(session.widget_url("tasks")))


# --- invitations ----------------------------------------------------------------------------------


def test_who_is_invited_gets_a_code_to_choose_a_password(studio: Studio, post: tuple[Post, MailSettings]) -> None:
    grace = studio.session.create("User", {"name": "grace", "email": "grace@example.org"})
    studio.session.commit()

    assert studio.session.send_user_invites([grace]) == ["grace"]

    mail = post[0].came[-1]
    assert (mail["to"], mail["from"]) == ("grace@example.org", "Studio <room@example.org>")
    link = re.search(r"http\S+/pages/welcome#\S+", mail.get_content())
    assert link is not None
    code = parse_qs(urlsplit(link[0]).fragment)["code"][0]
    opened = urllib3.request("POST", f"{studio.server.url}/v1/tokens", json={"grant": "code", "code": code})
    assert opened.status == 200
    bearer = {"authorization": f"Bearer {opened.json()['access_token']}"}
    chosen = {"new_password": "a long enough one"}
    assert urllib3.request("POST", f"{studio.server.url}/v1/password", json=chosen, headers=bearer).status == 204

    # Whoever has a password keeps it.
    studio.session.send_user_invites("grace")
    again = post[0].came[-1].get_content()
    assert "code" not in again
    login = {"grant": "password", "user": "grace", "password": "a long enough one"}
    assert urllib3.request("POST", f"{studio.server.url}/v1/tokens", json=login).status == 200


def test_nobody_is_invited_where_one_cannot_be(studio: Studio, post: tuple[Post, MailSettings]) -> None:
    studio.session.create("User", {"name": "mute"})
    studio.session.commit()
    before = len(post[0].came)

    with pytest.raises(rr.InvalidRequest, match="'mute' has no email"):
        studio.session.send_user_invites(["ada", "mute"])
    with pytest.raises(rr.NotFound, match="nobody"):
        studio.session.send_user_invites(["ada", "nobody"])

    assert len(post[0].came) == before


def test_a_refused_address_says_whom_it_reached(studio: Studio, post: tuple[Post, MailSettings]) -> None:
    studio.session.create("User", {"name": "brim", "email": "full@example.org"})
    studio.session.commit()

    with pytest.raises(rr.MailFailed, match=r"552 mailbox full.*'brim' was not sent; sent before it: ada"):
        studio.session.send_user_invites(["ada", "brim"])


def test_an_address_cannot_smuggle_headers(studio: Studio, post: tuple[Post, MailSettings]) -> None:
    studio.session.create("User", {"name": "sly", "email": "sly@example.org\nBcc: all@example.org"})
    studio.session.commit()
    before = len(post[0].came)

    with pytest.raises(rr.MailFailed, match="no address"):
        studio.session.send_user_invites("sly")

    assert len(post[0].came) == before


def test_who_may_not_change_users_invites_nobody(studio: Studio, post: tuple[Post, MailSettings]) -> None:
    before = len(post[0].came)
    key = studio.session.reset_remote("api_key", "ada")

    with rr.connect(studio.server.url, api_key=key) as ada, pytest.raises((rr.PermissionDenied, rr.NotFound)):
        ada.send_user_invites("ada")

    assert len(post[0].came) == before


@pytest.mark.parametrize(
    ("mail", "said"),
    [
        (MailSettings(), "no settings for mail"),
        (MailSettings(host="127.0.0.1", port=9, security="none", sender="a@example.org", timeout=2), "cannot be used"),
    ],
)
def test_mail_that_cannot_be_sent_says_why(tmp_path: Any, mail: MailSettings, said: str) -> None:
    path = str(tmp_path / "plain.room")
    with served(path, accounts=True, mail=mail) as server, rr.connect(server.url, api_key=server.api_key) as session:
        session.create("User", {"name": "ada", "email": "ada@example.org"})
        session.commit()

        with pytest.raises(rr.MailFailed, match=said):
            session.send_user_invites("ada")


# --- keys -----------------------------------------------------------------------------------------


def test_each_reset_gives_another_key_and_ends_the_one_before(studio: Studio) -> None:
    first = studio.session.reset_remote("api_key", studio.there["ada"])
    second = studio.session.reset_remote("api_key", "ada")

    assert first != second
    with rr.connect(studio.server.url, api_key=second) as ada:
        assert ada.transport.actor == "ada"
        with pytest.raises(rr.NotAuthenticated):
            rr.connect(studio.server.url, api_key=first)
        own = ada.reset_remote()
    with rr.connect(studio.server.url, api_key=own) as ada:
        assert ada.transport.actor == "ada"


def test_a_key_with_a_name_of_its_own_stays(studio: Studio) -> None:
    studio.session.reset_remote("api_key", "administrator")

    assert studio.session.query("User where name is administrator").one()


def test_nobody_resets_the_key_of_another_without_the_right(studio: Studio) -> None:
    key = studio.session.reset_remote("api_key", "ada")

    with rr.connect(studio.server.url, api_key=key) as ada, pytest.raises((rr.NotFound, rr.PermissionDenied)):
        ada.reset_remote("api_key", "administrator")


def test_nothing_else_is_reset(studio: Studio) -> None:
    with pytest.raises(rr.InvalidValue, match="api_key"):
        studio.session.reset_remote("everything")  # type: ignore[arg-type]
