"""Keys, invitations, pages and encodings through the unmodified client's own methods."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ftrack_api
import ftrack_api.exception
import pytest
import urllib3

from tests.dialects.ftrack.hubs import Stage, stage
from tests.server.test_people import Post, posting

Connect = Callable[..., Any]


@pytest.fixture(scope="module")
def mailing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, Post]]:
    """A server that can send mail."""
    with posting() as (post, mail), stage(str(tmp_path_factory.mktemp("mail") / "a.room"), mail=mail) as found:
        yield found, post


def test_a_user_gets_a_new_key_each_time(session: Any, connect: Connect, user: Any) -> None:
    first = user.reset_api_key()
    assert connect(user=user["username"], key=first).server_information

    second = user.reset_api_key()

    assert first != second
    assert connect(user=user["username"], key=second).server_information
    with pytest.raises(ftrack_api.exception.ServerError):
        session.reset_remote("api_key")
    with pytest.raises(ftrack_api.exception.ServerError):
        session.reset_remote("everything", entity=user)
    with pytest.raises(ftrack_api.exception.ServerError):
        session.reset_remote("api_key", entity=session.query("Status").first())


@pytest.mark.parametrize("theme", ["light", "dark", None])
def test_pages_open_by_their_address(session: Any, task: Any, theme: str | None) -> None:
    for name, entity in (("info", task), ("tasks", None), ("tasks_browser", task["project"])):
        url = session.get_widget_url(name, entity=entity, theme=theme)
        answer = urllib3.request("GET", url, retries=False)
        assert answer.status == 200
        assert b"<html" in answer.data
    with pytest.raises(ftrack_api.exception.ServerError):
        session.get_widget_url("nothing")
    with pytest.raises(ftrack_api.exception.ServerError):
        session.get_widget_url("info")


def test_users_are_invited_by_mail(mailing: tuple[Stage, Post]) -> None:
    found, post = mailing
    session = ftrack_api.Session(
        found.server.url, found.key, "administrator",
        auto_connect_event_hub=False, schema_cache_path=False, plugin_paths=[],
    )  # fmt: skip
    users = [session.create("User", {"username": f"u{n}", "email": f"u{n}@example.org"}) for n in range(2)]
    users.append(session.create("User", {"username": "nobody"}))
    session.commit()

    users[0].send_invite()
    session.send_user_invites(users[:2])

    assert [each["to"] for each in post.came] == ["u0@example.org", "u0@example.org", "u1@example.org"]
    assert found.server.url in post.came[0].get_content()
    with pytest.raises(ftrack_api.exception.ServerError, match="no email"):
        users[2].send_invite()
    session.close()


def test_without_mail_an_invitation_says_so(session: Any, unique: Callable[[str], str]) -> None:
    user = session.create("User", {"username": unique("u"), "email": "a@example.org"})
    session.commit()

    with pytest.raises(ftrack_api.exception.ServerError, match="mail"):
        user.send_invite()


def test_media_are_handed_in_and_the_job_says_what_comes(session: Any, task: Any, tmp_path: Path) -> None:
    asset = session.create("Asset", {"name": "media", "parent": task})
    version = session.create("AssetVersion", {"asset": asset, "task": task})
    session.commit()
    source = tmp_path / "movie.mov"
    source.write_bytes(b"no film at all")

    job = version.encode_media(str(source))

    data = json.loads(job["data"])
    assert {each["format"] for each in data["output"]} == {"video/mp4", "image/jpeg"}
    assert all(set(each) == {"format", "component_id"} for each in data["output"])
    assert data["keep_original"] is False
    with pytest.raises(ftrack_api.exception.ServerError, match="EntityNotFoundError"):
        session.call(
            [{"action": "encode_media", "component_id": task["id"], "version_id": None, "keep_original": True}]
        )


def test_projects_are_granted_and_revoked(session: Any, studio: Stage, user: Any, project: Any) -> None:
    role = session.query("SecurityRole where name is reader").one()
    call = {"user_id": user["id"], "role_id": role["id"], "project_id": project["id"]}

    def members() -> int:
        return len(studio.session.query(f"ProjectMember where user is '{user['id']}'").all())

    for _ in range(2):
        session.call([{"action": "grant_user_security_role_project", **call}])
    assert members() == 1
    for _ in range(2):
        session.call([{"action": "revoke_user_security_role_project", **call}])
    assert members() == 0
