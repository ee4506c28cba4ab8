"""Actions that the client has no method for: search, permissions, signed addresses, roles, and what is refused in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.dialects.ftrack.hubs import Stage, post

Connect = Callable[..., Any]
Unique = Callable[[str], str]


def ask(studio: Stage, user: str, key: str, **operation: Any) -> Any:
    """The answer to one operation of somebody; an error is what was answered instead."""
    headers = {"ftrack-user": user, "ftrack-api-key": key}
    answer = urllib3.request("POST", f"{studio.server.url}/api", body=json.dumps([operation]), headers=headers).json()
    return answer[0] if isinstance(answer, list) else answer


@pytest.fixture
def guest(studio: Stage, unique: Unique, project: Any) -> Callable[..., Any]:
    """Asks as somebody who reads one project and what is in it."""
    name = unique("guest")
    mine = f'"{project["id"]}"'
    rules = [("read", "Project", f"id is {mine}"), ("read", "TypedContext", f"project is {mine}")]
    key = studio.person(name, *rules, ("update", "TypedContext", f"project is {mine}"))
    return lambda action, **more: ask(studio, name, key, action=action, **more)


# --- search -----------------------------------------------------------------------------------------


@pytest.fixture
def searched(studio: Stage, session: Any, shots: list[Any], unique: Unique) -> dict[str, Any]:
    """Shots with descriptions, in two projects; and how to search."""
    word = f"{unique('').strip()}rabbit"  # that begins no other word
    elsewhere = session.create("Project", {"name": unique("elsewhere"), "full_name": "e"})
    far = session.create("Shot", {"name": "far", "parent": elsewhere, "description": f"the {word} sleeps"})
    shots[0]["description"] = f"a {word} hops over the fence"
    shots[1]["description"] = f"two {word}s sleep"
    task = session.create("Task", {"name": "t", "parent": shots[0], "description": f"animate the {word}"})
    session.commit()

    def names(expression: str, **more: Any) -> list[str]:
        [found] = post(studio, {"action": "search", "expression": expression, **more})
        assert (found["action"], set(found["metadata"]["next"])) == ("search", {"offset"})
        return [each["name"] for each in found["data"]]

    return {"word": word, "far": far, "task": task, "names": names, "elsewhere": elsewhere}


def test_every_term_begins_a_word(searched: dict[str, Any]) -> None:
    names, word = searched["names"], searched["word"]

    assert names("select name from Shot", entity_type="Shot", terms=[word]) == ["sh10", "sh20", "far"]
    assert names("select name from Shot", terms=[word, "sleep"]) == ["sh20", "far"]
    assert names("select name from TypedContext", terms=[f"{word} hop"]) == ["sh10"]
    assert names("select name from Shot", terms=[f"{word}xyz"]) == []
    assert names('select name from Shot where name is "far" or name is "sh10"', terms=[word[:-1], "hop"]) == ["sh10"]
    assert names("select name from Shot order by name descending limit 2", terms=[word]) == ["sh20", "sh10"]
    assert names("select name from Shot", terms=['") or', word, "*"]) == []


def test_what_is_found_is_within_a_context_and_of_kinds(searched: dict[str, Any], shots: list[Any]) -> None:
    names, word = searched["names"], searched["word"]
    within = "select name from TypedContext"

    assert names(within, terms=[word], context_id=shots[0]["project_id"]) == ["sh10", "sh20", "t"]
    assert names(within, terms=[word], context_id=shots[0]["id"]) == ["sh10", "t"]
    assert names(within, terms=[word], context_id=searched["elsewhere"]["id"]) == ["far"]
    assert names(within, terms=[word], object_type_ids=[searched["task"]["object_type_id"]]) == ["t"]
    assert set(names(within, context_id=shots[0]["id"])) == {"sh10", "t"}


def test_nothing_is_found_that_may_not_be_seen(searched: dict[str, Any], guest: Callable[..., Any]) -> None:
    found = guest("search", expression="select name from Shot", terms=[searched["word"]])

    assert [each["name"] for each in found["data"]] == ["sh10", "sh20"]


@pytest.mark.parametrize(
    "operation",
    [
        {},
        {"expression": 1},
        {"expression": "Shot", "entity_type": "Task"},
        {"expression": "Shot", "terms": "rabbit"},
        {"expression": "Metadata", "terms": ["x"]},
        {"expression": "Shot", "context_id": ["x"]},
        {"expression": "Status", "context_id": "x"},
        {"expression": "NoSuch", "terms": ["x"]},
        {"expression": "Shot", "terms": [f"word{number}" for number in range(1000)]},
    ],
)
def test_a_search_that_is_none_is_refused(studio: Stage, operation: dict[str, Any]) -> None:
    found = post(studio, {"action": "search", **operation})

    assert {"exception", "content"} <= set(found)


# --- permissions --------------------------------------------------------------------------------------


def test_somebody_learns_what_they_may_do(guest: Callable[..., Any], studio: Stage, shots: list[Any]) -> None:
    about = {"entity_type": "Shot", "entity_key": [shots[0]["id"]]}

    found = guest("permissions", **about)
    assert {verb for verb, may in found["data"].items() if may} == {"read", "update"}
    assert set(found["data"]) >= {"read", "create", "update", "delete"}
    [mine] = post(studio, {"action": "permissions", **about, "entity_key": shots[0]["id"]})
    assert all(mine["data"][verb] for verb in ("read", "create", "update", "delete"))


def test_what_may_not_be_seen_is_told_like_what_is_not_there(
    guest: Callable[..., Any], session: Any, unique: Unique
) -> None:
    hidden = session.create("Project", {"name": unique("hidden"), "full_name": "h"})
    session.commit()
    gone = "00000000-0000-4000-8000-000000000000"

    answers = [guest("permissions", entity_type="Project", entity_key=each) for each in (hidden["id"], gone)]

    assert answers[0]["exception"] == answers[1]["exception"] == "EntityNotFoundError"
    assert answers[0]["content"].replace(hidden["id"], gone) == answers[1]["content"]
    assert "exception" in guest("permissions")
    assert "exception" in guest("permissions", entity_type="Metadata", entity_key=gone)


# --- signed addresses ---------------------------------------------------------------------------------


def test_a_signed_address_reads_without_a_key(
    studio: Stage, session: Any, guest: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    server = session.query('Location where name is "ftrack.server"').one()
    component = session.create_component(str(tmp_path / "a.txt"), location=server)

    [found] = post(studio, {"action": "generate_signed_url", "component_id": component["id"]})

    assert studio.key not in found["url"]
    answer = urllib3.request("GET", found["url"])
    assert (answer.status, answer.data) == (200, b"hello")
    assert urllib3.request("PUT", found["url"], body=b"x").status >= 400
    assert "exception" in guest("generate_signed_url", component_id=component["id"])
    assert "exception" in post(studio, {"action": "generate_signed_url", "component_id": "x"})
    empty = session.create("FileComponent", {"name": "nothing"})
    session.commit()
    assert "exception" in post(studio, {"action": "generate_signed_url", "component_id": empty["id"]})


# --- roles --------------------------------------------------------------------------------------------


def test_people_are_granted_projects_and_lose_them(
    studio: Stage, session: Any, connect: Connect, user: Any, project: Any, shots: list[Any]
) -> None:
    role = session.query("SecurityRole where name is contributor").one()
    about = {"user_id": user["id"], "role_id": role["id"], "project_id": project["id"]}
    post(studio, {"action": "add_user_security_role", **about})
    key = studio.new_key(user["username"])[0]

    def seen() -> int:
        return len(connect(user=user["username"], key=key).query(f"Shot where project_id is {project['id']}").all())

    assert seen() == 0
    for _ in range(2):
        [granted] = post(studio, {"action": "grant_user_security_role_project", **about})
        assert granted == {"action": "grant_user_security_role_project", "data": True}
        assert seen() == 5
    for _ in range(2):
        [revoked] = post(studio, {"action": "revoke_user_security_role_project", **about})
        assert revoked == {"action": "revoke_user_security_role_project", "data": True}
        assert seen() == 0


def test_roles_and_projects_are_not_for_anybody_to_give(
    guest: Callable[..., Any], session: Any, user: Any, project: Any
) -> None:
    reader, role = (session.query(f"SecurityRole where name is {name}").one()["id"] for name in ("reader", "editor"))
    session.create("UserSecurityRole", {"user_id": user["id"], "security_role_id": reader})
    session.commit()
    about = {"user_id": user["id"], "new_role_id": role, "project_id": project["id"]}

    assert "exception" in guest("add_user_security_role", role_id=role, **about)
    guest("remove_user_security_role", role_id=reader, **about)
    assert "exception" in guest("update_user_security_role", role_id=reader, **about)
    assert "exception" in guest("grant_user_security_role_project", **about)
    [kept] = session.query(f"UserSecurityRole where user_id is {user['id']}").all()
    assert kept["security_role_id"] == reader


# --- what there is not --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("delayed_job", "single sign-on"),
        ("compute_rollups", "there are no rollups here"),
        ("complete_multipart_upload", "in one piece"),
        ("send_review_session_invite", "Invalid action u'send_review_session_invite'"),
    ],
)
def test_what_there_is_not_is_refused_in_words(studio: Stage, action: str, words: str) -> None:
    found = post(studio, {"action": action, "job_type": "SYNC_USERS_LDAP"})

    assert words in found["content"]


@pytest.mark.parametrize("action", ["search", "permissions", "generate_signed_url", "compute_rollups"])
def test_they_do_not_stand_beside_changes(studio: Stage, session: Any, action: str, unique: Unique) -> None:
    name = unique("beside")
    create = {"action": "create", "entity_type": "Scope", "entity_data": {"id": "0" * 32, "name": name}}

    found = post(studio, create, {"action": action, "expression": "Shot"})

    assert "cannot stand beside" in found["content"]
    assert session.query(f'Scope where name is "{name}"').first() is None
