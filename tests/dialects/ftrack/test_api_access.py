"""What another person sees and may do through the dialect: no more than the rules allow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ftrack_api.exception
import pytest

from tests.dialects.ftrack.hubs import Stage

Connect = Callable[..., Any]


@pytest.fixture
def hidden(session: Any, unique: Callable[[str], str]) -> dict[str, Any]:
    """A project that nobody else sees, with something of everything."""
    project = session.create("Project", {"name": unique("secret"), "full_name": "Secret"})
    shot = session.create("Shot", {"name": "secret shot", "parent": project})
    task = session.create("Task", {"name": "secret task", "parent": shot})
    user = session.query("User where username is administrator").one()
    note = task.create_note("secret words", author=user)
    project["metadata"]["secret"] = "key"
    session.commit()
    return {"Project": project, "Shot": shot, "Task": task, "Note": note}


@pytest.fixture
def outsider(studio: Stage, connect: Connect, unique: Callable[[str], str], project: Any) -> Any:
    """Somebody who may read and change one project, and read people and the like."""
    name = unique("outsider")
    mine = f'"{project["id"]}"'
    key = studio.person(
        name,
        *((verb, "Project", f"id is {mine}") for verb in ("read", "update")),
        *((verb, "TypedContext", f"project is {mine}") for verb in ("read", "create", "update", "delete")),
        ("read", "ProjectSchema", None),
        ("read", "ObjectType", None),
        ("read", "Status", None),
        ("read", "Type", None),
        ("read", "User", None),
    )
    return connect(user=name, key=key)


def test_queries_find_what_may_be_seen(outsider: Any, hidden: dict[str, Any], project: Any) -> None:
    assert [each["id"] for each in outsider.query("Project")] == [project["id"]]
    assert {each["id"] for each in outsider.query("Context")} == {project["id"]}
    for kind, entity in hidden.items():
        assert outsider.get(kind, entity["id"]) is None
        assert outsider.query(f"{kind} where id in ({entity['id']})").all() == []
    assert outsider.query("Metadata where key is secret").all() == []
    assert outsider.get("Metadata", [hidden["Project"]["id"], "secret"]) is None
    assert outsider.query('User where jobs any () or timelogs.context.name is "secret task"').all() == []
    assert outsider.query(f"Project where children any (id is {hidden['Shot']['id']})").all() == []


def test_references_and_lists_lead_to_nothing_hidden(
    outsider: Any, session: Any, hidden: dict[str, Any], project: Any
) -> None:
    shot = session.create("Shot", {"name": "seen", "parent": project})
    session.create("TypedContextLink", {"from": hidden["Shot"], "to": shot})
    listed = session.create("TypedContextList", {"name": "l", "project": project})
    listed["items"].extend([shot, hidden["Shot"]])
    session.commit()

    [found] = outsider.query(
        f"select parent.name, incoming_links.from.name, lists.items.name, notes.content, link from Shot where id is {shot['id']}"
    )
    assert found["parent"]["name"] == project["name"]
    assert len(found["incoming_links"]) == len(found["lists"]) == 0
    text = outsider.call(
        [{"action": "query", "expression": "select children.name, children.parent, link, ancestors from Context"}]
    )
    assert "secret" not in str(text)


def delete(session: Any, name: str, id: str) -> None:
    session.delete(session.create(name, {"id": id}, reconstructing=True))
    session.commit()


def test_pairs_are_seen_where_both_halves_may_be(
    outsider: Any, session: Any, hidden: dict[str, Any], project: Any
) -> None:
    group = session.create("Group", {"name": f"of {project['name']}"})
    user = session.query("User where username is administrator").one()
    given = session.create("Membership", {"user": user, "group": group})
    listed = session.create("TypedContextList", {"name": "l", "project": project})
    listed["items"].append(hidden["Shot"])
    session.commit()
    [made] = session.query(f"ListObject where list_id is {listed['id']}")

    for name, id in (("Membership", given["id"]), ("ListObject", made["id"])):
        assert outsider.get(name, id) is None
        assert id not in [each["id"] for each in outsider.query(name)]
        with pytest.raises(ftrack_api.exception.ServerError):
            delete(outsider, name, id)
        outsider.rollback()
    assert session.query(f"ListObject where id is {made['id']}").one() is made


def test_nobody_makes_a_pair_of_what_they_may_not_change(outsider: Any, session: Any, project: Any) -> None:
    group = session.create("Group", {"name": f"of {project['name']}"})
    session.commit()
    me = outsider.query(f'User where username is "{outsider.api_user}"').one()

    def join() -> None:
        outsider.create("Membership", {"user": me, "group_id": group["id"]})
        outsider.commit()

    with pytest.raises(ftrack_api.exception.ServerError):
        join()
    assert session.query(f"Membership where group_id is {group['id']}").all() == []


def test_writes_are_judged_by_the_rules(outsider: Any, session: Any, hidden: dict[str, Any], project: Any) -> None:
    own = outsider.create("Shot", {"name": "mine", "parent_id": project["id"]})
    outsider.commit()
    assert session.get("Shot", own["id"])["project_id"] == project["id"]

    for change in (
        lambda: outsider.create("Shot", {"name": "x", "parent_id": hidden["Project"]["id"]}),
        lambda: outsider.create("Status", {"name": "mine"}),
        lambda: outsider.create("CustomAttributeConfiguration", {"key": "mine", "entity_type": "show"}),
        lambda: outsider.create("UserSecurityRole", {"user_id": admin(session), "security_role_id": role(session)}),
        lambda: outsider.call([{"action": "add_user_security_role", "user_id": admin(session), "role_id": role(session)}]),
        lambda: outsider.call([{"action": "reset_remote", "reset_type": "api_key", "entity_type": "User", "entity_key": admin(session)}]),
    ):  # fmt: skip
        assert "secret" not in refusal(outsider, change)
    for kind, entity in hidden.items():
        for operation in ("update", "delete"):
            wanted = {"action": operation, "entity_type": kind, "entity_key": [entity["id"]], "entity_data": {}}
            if kind in ("Project", "Shot", "Task") and operation == "update":
                wanted["entity_data"] = {"name": "taken"}
            elif operation == "update":
                wanted["entity_data"] = {"content": "taken"}
            with pytest.raises(ftrack_api.exception.ServerError):
                outsider.call([wanted])
    session.reset()
    assert session.get("Project", hidden["Project"]["id"])["name"].startswith("secret")


def refusal(outsider: Any, change: Callable[[], Any]) -> str:
    """What is said about a change that cannot be."""
    try:
        change()
        outsider.commit()
    except ftrack_api.exception.ServerError as error:
        outsider.rollback()
        return str(error)
    raise AssertionError("it was allowed")


def admin(session: Any) -> str:
    number: str = session.query("User where username is administrator").one()["id"]
    return number


def role(session: Any) -> str:
    number: str = session.query("SecurityRole where name is administrator").one()["id"]
    return number


def test_an_error_about_what_is_hidden_is_that_about_what_is_not_there(outsider: Any, hidden: dict[str, Any]) -> None:
    def said(number: str) -> str:
        with pytest.raises(ftrack_api.exception.ServerError) as caught:
            outsider.call(
                [{"action": "update", "entity_type": "Shot", "entity_key": [number], "entity_data": {"name": "x"}}]
            )
        return str(caught.value).replace(number, "ID")

    assert said(hidden["Shot"]["id"]) == said("01890a5d-ac96-774b-bcce-b302099a8057")
