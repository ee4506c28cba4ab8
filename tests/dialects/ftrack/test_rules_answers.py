"""Rules that every answer of `/api` keeps: whole keys, concrete types, order and pages, errors that clients can show."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from tests.dialects.ftrack.hubs import Stage

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api
    import ftrack_api.exception
    import ftrack_api.symbol

Connect = Callable[..., Any]
Unique = Callable[[str], str]
ABSTRACT = {"Context", "TypedContext", "Component", "Resource", "List", "CustomAttributeValue"}


def post(studio: Stage, *operations: Any) -> Any:
    """The answer to operations, as it is sent."""
    headers = {"ftrack-user": studio.user, "ftrack-api-key": studio.key}
    answer = urllib3.request("POST", f"{studio.server.url}/api", body=json.dumps(operations), headers=headers)
    return answer.json()


def asked(studio: Stage, expression: str) -> list[Any]:
    [found] = post(studio, {"action": "query", "expression": expression})
    rows: list[Any] = found["data"]
    return rows


def entities_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "__entity_type__" in value:
            yield value
        for each in value.values():
            yield from entities_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from entities_in(each)


@pytest.fixture
def calls(session: Any, monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """The operations of each request that a session makes from now on."""
    made: list[list[Any]] = []
    call = ftrack_api.Session.call
    monkeypatch.setattr(ftrack_api.Session, "call", lambda self, data: made.append(data) or call(self, data))
    return made


@pytest.fixture
def whole(session: Any, task: Any, user: Any, unique: Unique) -> Any:
    """A task with something of everything around it."""
    note = task.create_note("hello", author=user, recipients=[user], labels=[session.query("NoteLabel").first()])
    note.create_reply("well", author=user)
    asset = session.create("Asset", {"name": "a", "parent": task, "type": session.query("AssetType").first()})
    version = session.create("AssetVersion", {"asset": asset, "task": task, "user": user})
    component = session.create("FileComponent", {"name": "main", "version": version})
    session.create("ComponentLocation", {
        "component": component, "resource_identifier": "x", "location_id": ftrack_api.symbol.SERVER_LOCATION_ID,
    })  # fmt: skip
    group = session.create("Group", {"name": unique("group")})
    session.create("Membership", {"user_id": user["id"], "group_id": group["id"]})
    for resource in (user, group):
        session.create("Appointment", {"context": task, "resource": resource, "type": "assignment"})
    listed = session.create("TypedContextList", {"name": "l", "project": task["project"]})
    listed["items"].append(task)
    task["metadata"]["a"] = "b"
    session.create("Timelog", {"user": user, "context": task, "duration": 5})
    session.commit()
    return task


# --- what entities look like ----------------------------------------------------------------------


def test_every_entity_anywhere_has_its_own_type_and_its_whole_key(session: Any, studio: Stage, whole: Any) -> None:
    schemas = {each["id"]: each for each in session.schemas}
    seen: set[str] = set()
    for name, schema in schemas.items():
        if name in ("Event", "Feed"):
            continue
        relations = [key for key, each in schema["properties"].items() if "$ref" in each or "items" in each]
        expression = f"select {', '.join(relations)} from {name} limit 20" if relations else f"{name} limit 20"
        for entity in entities_in(asked(studio, expression)):
            kind = entity["__entity_type__"]
            seen.add(kind)
            assert kind in schemas
            assert kind not in ABSTRACT or (name, kind) == ("CustomAttributeValue", "CustomAttributeValue")
            for part in schemas[kind]["primary_key"]:
                assert isinstance(entity[part], str), (name, kind, part)
            assert set(entity) - {"__entity_type__"} <= set(schemas[kind]["properties"]), (name, kind)

    assert {"Task", "User", "Group", "Note", "Recipient", "Metadata", "ListObject", "Membership", "Timelog"} <= seen
    assert {
        "FileComponent",
        "ComponentLocation",
        "AssetVersion",
        "Appointment",
        "NoteLabelLink",
        "NoteCategory",
    } <= seen


def test_answers_to_writes_have_whole_keys_too(session: Any, studio: Stage, whole: Any) -> None:
    me = asked(studio, "User where username is administrator")[0]["id"]
    reference = {"__entity_type__": "Task", "id": whole["id"]}
    operations = [
        {"action": "create", "entity_type": "Metadata", "entity_key": [whole["id"], "new"],
         "entity_data": {"parent_id": whole["id"], "parent_type": "Task", "key": "new", "value": "1"}},
        {"action": "update", "entity_type": "Metadata", "entity_key": [whole["id"], "a"], "entity_data": {"value": "c"}},
        {"action": "create", "entity_type": "Appointment", "entity_key": ["a1c137c0-ee7e-4f9c-91c5-8c77cec22b2c"],
         "entity_data": {"id": "a1c137c0-ee7e-4f9c-91c5-8c77cec22b2c", "context": reference, "resource_id": me}},
        {"action": "create", "entity_type": "Setting", "entity_key": ["n", "G"],
         "entity_data": {"name": "n", "group": "G", "value": "1"}},
    ]  # fmt: skip
    away = [{"action": "delete", **{name: each[name] for name in ("entity_type", "entity_key")}} for each in operations]

    answer = post(studio, *operations)
    gone = post(studio, *away)

    assert [each["action"] for each in answer] == [each["action"] for each in operations]
    assert gone == [{"action": "delete", "data": True}] * 4
    for sent, got in zip(operations, answer, strict=True):
        schema = next(each for each in session.schemas if each["id"] == sent["entity_type"])
        assert [got["data"][each] for each in schema["primary_key"]] == sent["entity_key"]
        assert set(sent["entity_data"]) <= set(got["data"])


def test_an_entity_is_one_object_wherever_it_is_met(session: Any, whole: Any) -> None:
    session.reset()

    [found] = session.query(
        "select parent.children, project.name, parent.project.name, assignments.context, notes.parent, lists.items from Task"
        f" where id is {whole['id']}"
    )

    with session.auto_populating(False):
        assert found["parent"]["children"][0] is found
        assert found["project"] is found["parent"]["project"]
        assert all(each["context"] is found for each in found["assignments"])
        assert found["notes"][0]["parent"] is found
        assert found["lists"][0]["items"][0] is found


def test_null_is_a_value_and_an_empty_list_is_one(session: Any, shots: list[Any], calls: list[list[Any]]) -> None:
    session.reset()
    [found] = session.query(
        f"select type, type_id, status.name, notes.content, metadata, description from Shot where id is {shots[0]['id']}"
    )
    calls.clear()

    for name in ("type", "type_id", "status", "description"):
        assert found[name] is None
    assert (list(found["notes"]), dict(found["metadata"])) == ([], {})
    assert calls == []


def test_moments_are_in_utc_however_they_were_given(session: Any, connect: Connect, project: Any) -> None:
    east = dt.timezone(dt.timedelta(hours=5, minutes=30))
    given = {
        "aware": dt.datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=east),
        "naive": dt.datetime(2024, 2, 29, 1, 2, 3),
        "day": dt.date(2024, 2, 29),
    }
    made = {
        name: session.create("Shot", {"name": name, "parent": project, "end_date": each})
        for name, each in given.items()
    }
    session.commit()

    other = connect()
    found = {name: other.get("Shot", each["id"])["end_date"].isoformat() for name, each in made.items()}

    assert found == {
        "aware": "2024-02-28T19:32:03.000004+00:00",
        "naive": "2024-02-29T01:02:03+00:00",
        "day": "2024-02-29T00:00:00+00:00",
    }
    assert {name: each["end_date"].isoformat() for name, each in made.items()} == found


# --- order and pages ------------------------------------------------------------------------------


def test_what_is_made_later_comes_later_whatever_the_page(session: Any, project: Any) -> None:
    made = []
    for number, (kind, name) in enumerate(
        [("Shot", "z"), ("Folder", "y"), ("Task", "x"), ("Shot", "a"), ("Task", "b")]
    ):
        made.append(session.create(kind, {"name": name, "parent": project, "sort": -number}))
        session.commit()
    here = f"select name from TypedContext where project_id is {project['id']}"

    whole = [each["id"] for each in session.query(here)]
    assert whole == [each["id"] for each in made]
    for size in (1, 2, 3, 5):
        assert [each["id"] for each in session.query(here, page_size=size)] == whole
    session.create("Task", {"name": "0", "parent": project})
    session.commit()
    assert [each["id"] for each in session.query(here, page_size=2)][:-1] == whole


@pytest.mark.parametrize(("size", "requests"), [(2, 3), (3, 2), (5, 1), (6, 1), (500, 1)])
def test_pages_are_as_many_requests_as_there_are_pages(
    session: Any, shots: list[Any], calls: list[list[Any]], size: int, requests: int
) -> None:
    found = session.query(f"select name from Shot where parent_id is {shots[0]['parent_id']}", page_size=size)
    calls.clear()

    assert [each["name"] for each in found] == ["sh10", "sh20", "sh30", "sh40", "sh50"]
    assert len(calls) == requests


def test_a_limit_ends_the_pages(session: Any, shots: list[Any], calls: list[list[Any]]) -> None:
    here = f"select name from Shot where parent_id is {shots[0]['parent_id']}"

    found = session.query(f"{here} limit 3", page_size=2)
    calls.clear()
    assert (len(found.all()), len(calls)) == (3, 2)
    assert [each["name"] for each in session.query(f"{here} offset 1 limit 2")] == ["sh20", "sh30"]
    result = session.query(here, page_size=2)
    assert (result[4]["name"], len(result), [each["name"] for each in result[1:3]]) == ("sh50", 5, ["sh20", "sh30"])
    with pytest.raises(ValueError, match="limit"):
        session.query(f"{here} limit 3").one()
    with pytest.raises(ValueError, match="offset"):
        session.query(f"{here} offset 1").one()


# --- the query language ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('\n  name is "sh10"\n  or\tname is "sh20"\n', ["sh10", "sh20"]),
        ('name is "sh10"  and  description is_not "x"', ["sh10"]),
        ("id is_not None and (bid is 0.0 and bid is_not 1) and name > sh40", ["sh50"]),
        ("created_at > 2001-02-03 and name is sh10", ["sh10"]),
        ('created_at > "2001-02-03T04:05:06" and name is sh10', ["sh10"]),
        ("project has (status is active and is_private is False) and name is sh10", ["sh10"]),
        ("project.is_private is False and project.is_global is_not True and name is sh20", ["sh20"]),
        ("parent.children any (name is sh10) and name is sh30", ["sh30"]),
        ("not (name is sh10 or not name in (sh10, sh20))", ["sh20"]),
        ("not not name is sh10", ["sh10"]),
        ("status is None and type is None and name is sh10", ["sh10"]),
        ("name like %", ["sh10", "sh20", "sh30", "sh40", "sh50"]),
        ('name like "%h2%"', ["sh20"]),
        ("name not_like sh_%", []),
        ("parent_id in (select id from Sequence where name is sq010) and name is sh10", ["sh10"]),
        ("id in (select parent_id from Task where name is light)", []),
        ("name is sh10 order by name", ["sh10"]),
        ("name > sh30 order by name descending", ["sh50", "sh40"]),
        ("name > sh30 order by created_at ascending, name DESC", ["sh50", "sh40"]),
        ("name > sh30 order by parent.name ascending, name desc offset 1", ["sh40"]),
    ],
)
def test_conditions_as_scripts_write_them(
    session: Any, project: Any, shots: list[Any], condition: str, expected: list[str]
) -> None:
    where, order, rest = condition.partition(" order by")

    found = session.query(f'select name from Shot where project.id is "{project["id"]}" and ({where}) {order}{rest}')

    assert [each["name"] for each in found] == expected


def test_case_matters_for_equality_and_not_for_like(session: Any, shots: list[Any]) -> None:
    here = f"Shot where parent_id is {shots[0]['parent_id']} and "

    assert session.query(f"{here} name is SH10").all() == []
    assert session.query(f"{here} name like SH10").all() == [shots[0]]


def test_keywords_may_be_names_of_attributes(session: Any, unique: Unique) -> None:
    name = unique("order by group")
    made = session.create("Setting", {"name": name, "group": "group", "value": "select"})
    session.commit()

    assert session.query(f'Setting where name is "{name}" and group is group and value is "select"').one() is made
    assert (
        session.query('select value, group from Setting where group is "group" order by group, value').first() is made
    )
    session.delete(made)
    session.commit()


def test_aggregates_of_groups_in_order(studio: Stage, session: Any, project: Any) -> None:
    for name, bid in (("a", 1), ("a", 2), ("b", 5)):
        session.create("Task", {"name": name, "parent": project, "bid": bid})
    session.commit()

    rows = asked(
        studio,
        f"select name, count(id), sum(bid), avg(bid), min(bid), max(bid) from Task where project_id is {project['id']}"
        " group by name order by name descending",
    )

    assert rows == [
        {"name": "b", "count_id": 1, "sum_bid": 5, "avg_bid": 5, "min_bid": 5, "max_bid": 5},
        {"name": "a", "count_id": 2, "sum_bid": 3, "avg_bid": 1.5, "min_bid": 1, "max_bid": 2},
    ]


# --- errors ---------------------------------------------------------------------------------------


def test_what_the_server_cannot_do_is_an_error_of_compatibility(session: Any) -> None:
    with pytest.raises(ftrack_api.exception.ServerCompatibilityError, match="send_review_session_invite"):
        session.send_review_session_invite({"id": "x"})


@pytest.mark.parametrize("text", ["{", "}", "{0}", "{name} {}", "%s %(a)s"])
def test_an_error_about_any_text_can_be_shown(session: Any, text: str) -> None:
    for expression in (f'select name from Task where "{text}" is 1', f"select {text} from Task"):
        with pytest.raises(ftrack_api.exception.ServerError) as caught:
            session.query(expression).all()
        assert str(caught.value).startswith("Server reported error: ")
    session.create("Status", {"name": f"twice {text}"})
    session.create("Status", {"name": f"twice {text}"})
    with pytest.raises(ftrack_api.exception.ServerError, match="Server reported error: DuplicateEntryError"):
        session.commit()
    session.rollback()


@pytest.mark.parametrize(
    ("path", "method"), [("/api", "GET"), ("/api/", "POST"), ("/component/get", "GET"), ("/component/nothing", "GET")]
)
def test_every_error_is_an_object_in_json(studio: Stage, path: str, method: str) -> None:
    answer = urllib3.request(method, studio.server.url + path, retries=False)

    found = answer.json()
    assert set(found) == {"exception", "content", "error_code"}
    assert all(isinstance(found[each], str) for each in ("exception", "content"))


def test_a_session_goes_on_after_an_error(session: Any, project: Any) -> None:
    session.create("Shot", {"name": "x", "parent_id": "nothing"})
    with pytest.raises(ftrack_api.exception.ServerError):
        session.commit()
    assert len(session.recorded_operations) == 1
    with pytest.raises(ftrack_api.exception.ServerError):
        session.commit()
    session.rollback()

    assert session.query(f"Project where id is {project['id']}").one() is project
    session.create("Shot", {"name": "y", "parent": project})
    session.commit()
