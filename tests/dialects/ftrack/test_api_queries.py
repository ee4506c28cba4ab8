"""The query language, projections and paging, through the unmodified client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ftrack_api.exception
import pytest


def names(found: Any) -> list[str]:
    return [each["name"] for each in found]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('name is "sh10"', ["sh10"]),
        ("name is sh10", ["sh10"]),
        ('name = "sh10"', ["sh10"]),
        ("name is_not sh10 and name is_not sh20", ["sh30", "sh40", "sh50"]),
        ("name != sh10 and name != sh20", ["sh30", "sh40", "sh50"]),
        ('name like "sh%0" and name not_like "%30"', ["sh10", "sh20", "sh40", "sh50"]),
        ("name in (sh10,sh20)", ["sh10", "sh20"]),
        ('name in ("sh10", sh50)', ["sh10", "sh50"]),
        ("name not_in (sh10, sh20, sh30)", ["sh40", "sh50"]),
        ("name > sh30", ["sh40", "sh50"]),
        ("name greater_than sh30 or name less_than sh20", ["sh10", "sh40", "sh50"]),
        ("name after sh30 and name <= sh40", ["sh40"]),
        ("name before sh20", ["sh10"]),
        ("name is sh10 or name is sh20 and name is sh30", ["sh10"]),
        ("(name is sh10 or name is sh20) and name is_not sh10", ["sh20"]),
        ("not name is sh10 and not (name is sh20 or name is sh30)", ["sh40", "sh50"]),
        ('(name is "sh10"and description is None) or (name is "sh20"and description is none)', ["sh10", "sh20"]),
        ("not children any () and name is sh10", ["sh10"]),
        ("children any ()", []),
        ("parent has (name is sq010) and name is sh10", ["sh10"]),
        ("parent.parent.name is_not none and name is sh10", ["sh10"]),
        ('parent.name is "sq010" and bid is 0 and name is sh10', ["sh10"]),
        ("bid > -1 and bid < 1 and name is sh10", ["sh10"]),
        ("name in (select name from Shot where name is sh20)", ["sh20"]),
        ("parent_id in (select id from Sequence where name is nothing)", []),
        ("context_type is task and name is sh10", ["sh10"]),
        ("context_type is show", []),
        ("object_type.name is Shot and name is sh10", ["sh10"]),
        ("id is not-an-id", []),
        ("id is_not not-an-id and name is sh10", ["sh10"]),
        ("ancestors any (name is sq010) and name is sh50", ["sh50"]),
        ('name is "sh\\"10"', []),
        ("name is 'sh10'", ["sh10"]),
    ],
)
def test_conditions(session: Any, project: Any, shots: list[Any], condition: str, expected: list[str]) -> None:
    found = session.query(f'select name from Shot where project.id is "{project["id"]}" and ({condition})').all()

    assert names(found) == expected


def test_values_need_no_quotes_and_backslashes_are_no_escapes(session: Any, unique: Callable[[str], str]) -> None:
    made = ["a-b_c.d", "C:\\temp\\new", "001_010", "50%", "x y"]
    scopes = {name: session.create("Scope", {"name": name}) for name in made}
    session.commit()

    for name in ("a-b_c.d", "001_010"):
        assert session.query(f"Scope where name is {name}").one() is scopes[name]
    for name in made:
        assert session.query(f'Scope where name is "{name}"').one() is scopes[name]
    assert session.query('Scope where name like "50\\%"').one() is scopes["50%"]
    for each in scopes.values():
        session.delete(each)
    session.commit()


def test_conditions_across_a_collection_may_meet_in_different_members(session: Any, shots: list[Any]) -> None:
    sequence = shots[0]["parent_id"]
    here = f"Sequence where id is {sequence} and "

    assert session.query(here + "children.name is sh10 and children.name is sh20").all()
    assert not session.query(here + "children any (name is sh10 and name is sh20)").all()
    assert session.query(here + "children any (name is sh10) and not children any (name is other)").all()


@pytest.mark.parametrize(
    "text",
    [
        "select name from",
        "select name from Shot where",
        "select nothing from Shot",
        "select name.deeper from Shot",
        "select name from Nothing",
        "select name from Shot where nothing is 1",
        "select name from Shot where name",
        "select name from Shot where name is {curly} and x is 1",
        "select name from Shot where name between a and b",
        'select name from Shot where name is "open',
        "select name from Shot limit -1",
        "select name from Shot order by notes",
        "select bid from Shot where bid like 3 and parent.link is 3",
        "select name from Shot where " + "(" * 500 + "name is a" + ")" * 500,
        "select name from Shot where name in (select id, name from Shot)",
        "select name from Shot where id in (select key from Metadata)",
        "select name from Shot where value.x.y is 2",
        "select key from Metadata where nothing is 2",
        "select key from Metadata where key.x is 2",
    ],
)
def test_what_is_no_question_is_an_error_that_can_be_read(session: Any, text: str) -> None:
    with pytest.raises(ftrack_api.exception.ServerError) as caught:
        session.query(text).all()

    assert "Server reported error: " in str(caught.value)
    assert "ServerError(" not in str(caught.value)


def test_one_first_and_get(session: Any, shots: list[Any]) -> None:
    here = f'Shot where parent_id is "{shots[0]["parent_id"]}"'

    assert session.query(f"{here} and name is sh10").one() is shots[0]
    assert session.query(here).first() is shots[0]
    assert session.query(f"{here} offset 2").first() is shots[2]
    assert session.query(f"{here} and name is other").first() is None
    with pytest.raises(ftrack_api.exception.MultipleResultsFoundError):
        session.query(here).one()
    with pytest.raises(ftrack_api.exception.NoResultFoundError):
        session.query(f"{here} and name is other").one()
    assert session.get("Shot", "01890a5d-ac96-774b-bcce-b302099a8057") is None
    assert session.get("Shot", "nothing") is None


def test_pages_follow_each_other_and_the_last_one_says_so(session: Any, shots: list[Any]) -> None:
    here = f'select name from Shot where parent_id is "{shots[0]["parent_id"]}"'

    def page(window: str) -> tuple[list[str], Any]:
        [result] = session.call([{"action": "query", "expression": f"{here} {window}"}])
        return names(result["data"]), result["metadata"]["next"]["offset"]

    assert page("offset 0 limit 2") == (["sh10", "sh20"], 2)
    assert page("offset 2 limit 2") == (["sh30", "sh40"], 4)
    assert page("offset 4 limit 2") == (["sh50"], None)
    assert page("offset 0 limit 5") == (["sh10", "sh20", "sh30", "sh40", "sh50"], None)
    assert page("limit 4 offset 1") == (["sh20", "sh30", "sh40", "sh50"], None)
    assert page("offset 9 limit 2") == ([], None)
    assert page("limit 0") == ([], None)
    assert names(session.query(here, page_size=2).all()) == ["sh10", "sh20", "sh30", "sh40", "sh50"]
    assert names(session.query(f"{here} limit 3", page_size=2).all()) == ["sh10", "sh20", "sh30"]
    assert names(session.query(f"{here} order by name descending limit 2").all()) == ["sh50", "sh40"]


def test_order_by_several_things_and_through_references(session: Any, project: Any, shots: list[Any]) -> None:
    here = f'select name from Context where project_id is "{project["id"]}" and parent_id is_not None'

    found = session.query(f"{here} order by parent.name descending, name desc").all()

    assert names(found) == ["sh50", "sh40", "sh30", "sh20", "sh10", "sq010"]


def test_projections_are_there_to_the_last_name_and_ask_for_nothing_more(
    session: Any, project: Any, task: Any, user: Any
) -> None:
    task.create_note("hello", author=user)
    session.commit()
    session.reset()

    [found] = session.query(
        "select parent.parent.name, parent.children.name, notes.author.username, project.full_name, status.name, type.name,"
        f' link, ancestors.name, metadata, priority, description from Task where id is "{task["id"]}"'
    )

    with session.auto_populating(False):
        assert found["parent"]["parent"]["name"] == "sq010"
        assert names(found["parent"]["children"]) == ["light"]
        assert found["notes"][0]["author"]["username"] == user["username"]
        assert found["project"]["full_name"] == project["full_name"]
        assert [each["name"] for each in found["link"]] == [project["name"], "sq010", "sh10", "light"]
        assert [each["type"] for each in found["link"]] == ["Project"] + ["TypedContext"] * 3
        assert names(found["ancestors"]) == [project["name"], "sq010", "sh10"]
        assert found["description"] is None
        assert dict(found["metadata"]) == {}


def test_entities_have_their_own_type_whatever_was_asked_for(session: Any, project: Any, task: Any) -> None:
    found = session.query(f'select name, status, full_name from Context where project_id is "{project["id"]}"').all()

    kinds = {each.entity_type for each in found}
    assert kinds == {"Project", "Sequence", "Shot", "Task"}
    assert session.query(f'TypedContext where id is "{task["id"]}"').one() is task
    assert session.get("Context", task["id"]) is task
    by_kind = {each.entity_type: each for each in found}
    with session.auto_populating(False):
        assert by_kind["Project"]["full_name"] == project["full_name"]
        assert by_kind["Task"]["status"] is task["status"]
        assert task["parent"].entity_type == "Shot"


def test_what_only_some_kinds_have_can_be_asked_of_all(session: Any, project: Any, task: Any) -> None:
    here = f'Context where project_id is "{project["id"]}" and '

    assert session.query(here + f'type_id is "{task["type_id"]}"').one() is task
    assert session.query(here + f'full_name is "{project["full_name"]}"').one() is project
    assert (
        session.query(here + f'parent.object_type.name is Shot and type.name is "{task["type"]["name"]}"').one() is task
    )


def test_resources_are_users_and_groups(session: Any, unique: Callable[[str], str], user: Any) -> None:
    group = session.create("Group", {"name": unique("group")})
    session.commit()
    session.reset()

    kinds = {each.entity_type for each in session.query("Resource")}
    assert kinds == {"User", "Group"}
    assert session.get("Resource", user["id"])["username"] == user["username"]
    assert session.get("Resource", group["id"])["name"] == group["name"]


def test_groups_are_counted(session: Any, shots: list[Any]) -> None:
    where = f'where parent_id is "{shots[0]["parent_id"]}"'

    def rows(text: str) -> Any:
        return session.call([{"action": "query", "expression": text}])[0]["data"]

    [row] = rows(f"select count(id), parent_id from Shot {where} group by parent_id")
    assert row == {"count_id": 5, "parent_id": shots[0]["parent_id"]}
    assert rows(f"select max(name), min(name), sum(bid) from Shot {where}") == [
        {"max_name": "sh50", "min_name": "sh10", "sum_bid": 0}
    ]


def test_moments_are_found_by_their_second(session: Any, task: Any) -> None:
    import datetime as dt

    task["start_date"] = dt.datetime(2020, 5, 5, 1, 2, 3, 123456)
    session.commit()
    here = f'Task where id is "{task["id"]}" and start_date '

    assert task["start_date"].isoformat() == "2020-05-05T01:02:03.123456+00:00"
    for condition in (
        'is "2020-05-05T01:02:03"', 'is "2020-05-05 03:02:03+02:00"', 'is "2020-05-05T01:02:03.123456"', "> 2020-05-05",
        "before 2020-05-06", 'is_not "2020-05-05T01:02:04"',
    ):  # fmt: skip
        assert session.query(here + condition).all(), condition
    for condition in ('is "2020-05-05T01:02:04"', 'is "2020-05-05T01:02:03.5"', "is nonsense", "> 2021-01-01"):
        assert not session.query(here + condition).all(), condition


def test_queries_that_the_client_makes_by_itself(session: Any, task: Any) -> None:
    assert session.query('select value from Setting where name is "storage_scenario" and group is "STORAGE"').one()
    assert (
        session.query(
            "select key, project_id, id, object_type_id, entity_type, is_hierarchical from CustomAttributeConfiguration"
        ).all()
        is not None
    )
    schema = session.query("ProjectSchema").first()
    assert {each["name"] for each in schema.get_statuses("Task")} >= {"Not started", "In progress"}
    assert [each["name"] for each in schema.get_statuses("Shot")]
    assert [each["name"] for each in schema.get_types("Task")]
    assert [each["name"] for each in schema.get_statuses("AssetVersion")]
    assert schema.get_types("Shot") == []
    session.populate([task], "description, bid, priority.name")
    assert len(task.items()) > 20


def test_who_made_something_is_a_user(session: Any, shots: list[Any]) -> None:
    me = session.query("User where username is administrator").one()

    assert shots[0]["created_by"] is me
    assert shots[0]["created_by_id"] == me["id"]
    assert shots[0]["created_at"]
    here = f"Shot where id is {shots[0]['id']} and "
    assert session.query(here + "created_by.username is administrator").all()
    assert session.query(here + f"created_by_id is {me['id']}").all()
    assert not session.query(here + "created_by has (username is nobody)").all()
    assert session.query(here + "created_at > 2020-01-01 order by created_at").all()
