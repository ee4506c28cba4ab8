"""Queries of the drop-in client: the grammar of ftrack's, paging, and what a query costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

import recordroom.dialects.ftrack.client as ftrack_api
from recordroom.dialects.ftrack.client.query import QueryResult
from tests.dialects.ftrack.client.dropins import Dropins

NOT_SET = ftrack_api.symbol.NOT_SET
exception = ftrack_api.exception


def names(found: Sequence[Any]) -> list[str]:
    return [each["name"] for each in found]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("name is sh10", ["sh10"]),
        ('name in ("sh10", sh20)', ["sh10", "sh20"]),
        ("name like '%4%'", ["sh40"]),
        ('name not_like "%1%" and not name is sh20', ["sh30", "sh40", "sh50"]),
        ("name is sh10 or name is sh20 and bid > 5", ["sh10"]),
        ("parent.name is sq010 and name > sh40", ["sh50"]),
        ("children any (name is light)", ["sh10"]),
        ("not children any ()", ["sh20", "sh30", "sh40", "sh50"]),
        ("parent has (project.id is_not none) and name is sh30", ["sh30"]),
        ("parent.project.status is active and name before sh20", ["sh10"]),
        ("id in (select parent_id from Task where name is light)", ["sh10"]),
        ('metadata any (key is "k" and value is "v")', ["sh20"]),
        ("ancestors any (name is sq010) and name is sh20", ["sh20"]),
        ("descendants.name is light", ["sh10"]),
        ("name like 'sh%' order by name descending limit 2", ["sh50", "sh40"]),
        ("name like 'sh%' order by name offset 3 limit 5", ["sh40", "sh50"]),
    ],
)
def test_query_grammar(session: Any, shots: list[Any], task: Any, condition: str, expected: list[str]) -> None:
    shots[1]["metadata"]["k"] = "v"
    session.commit()

    query = f"Shot where project.id is {task['project_id']} and {condition}"
    if "or" in condition.split():
        query = f"Shot where project.id is {task['project_id']} and ({condition})"
    assert names(session.query(query)) == expected


def test_query_projections_come_with_the_first_request(connect: Dropins, task: Any) -> None:
    session = connect()
    query = (
        "select name, parent.name, parent.status.name, project.full_name, type.name, status.state.name, link,"
        f" children.name from Task where id is {task['id']}"
    )
    found = session.query(query).one()
    calls = session.native.round_trips

    with session.auto_populating(False):
        assert (found["name"], found["parent"]["name"]) == ("light", "sh10")
        assert found["project"]["full_name"] == task["project"]["full_name"]
        assert found["type"]["name"] == task["type"]["name"]
        assert found["description"] is NOT_SET
        assert list(found["children"]) == []
    assert session.native.round_trips == calls


def test_query_costs_as_many_requests_for_many_rows_as_for_few(
    connect: Dropins, session: Any, shots: list[Any]
) -> None:
    tasks = [session.create("Task", {"name": f"t{n}", "parent": shots[n % 5]}) for n in range(60)]
    session.commit()

    def cost(limit: int) -> int:
        other = connect()
        list(other.types.items())
        before = other.native.round_trips
        text = f"select name, parent.name, assignments.resource from Task where project_id is {shots[0]['project_id']}"
        for each in other.query(f"{text} limit {limit}"):
            assert each["parent"]["name"].startswith("sh")
            assert each["description"] is None
            assert each["link"][0]["type"] == "Project"
        return other.native.round_trips - before

    assert cost(60) <= cost(3)
    assert len(tasks) == 60


def test_query_of_everything_that_is_a_context_gives_each_its_class(session: Any, task: Any) -> None:
    found = session.query(f"Context where project_id is {task['project_id']} or id is {task['project_id']}").all()

    assert {each.entity_type for each in found} == {"Project", "Sequence", "Shot", "Task"}
    assert task in found
    assert {each["context_type"] for each in found} == {"show", "task"}
    statuses = session.query(f"select status.name, name from TypedContext where project_id is {task['project_id']}")
    assert len(statuses) == 7


def test_query_of_users_and_groups_in_one(session: Any, user: Any, unique: Callable[[str], str]) -> None:
    group = session.create("Group", {"name": unique("group")})
    session.commit()

    assert session.query(f"Resource where id in ({user['id']}, {group['id']})").all() == [user, group]


def test_query_results_are_lazy_and_read_page_by_page(connect: Dropins, shots: list[Any]) -> None:
    session = connect()
    session.types["Shot"]
    calls = session.native.round_trips
    result = session.query(f"Shot where parent_id is {shots[0]['parent_id']} order by name", page_size=1)
    assert isinstance(result, QueryResult)
    assert session.native.round_trips == calls

    assert result[0]["name"] == "sh10"
    assert session.native.round_trips == calls + 1
    assert names(result[1:3]) == ["sh20", "sh30"]
    assert session.native.round_trips == calls + 2
    assert result[-1]["name"] == "sh50"
    assert len(result) == 5
    assert names(result) == names(result.all()) == ["sh10", "sh20", "sh30", "sh40", "sh50"]
    assert session.native.round_trips == calls + 2
    assert shots[0] in result
    with pytest.raises(IndexError):
        result[5]


def test_one_and_first(session: Any, shots: list[Any]) -> None:
    here = f"Shot where parent_id is {shots[0]['parent_id']}"

    assert session.query(f"{here} and name is sh20").one() is shots[1]
    assert session.query(f"{here} order by name descending").first() is shots[4]
    assert session.query(f"{here} order by name offset 2").first() is shots[2]
    assert session.query(f"{here} and name is nothing").first() is None
    with pytest.raises(exception.NoResultFoundError):
        session.query(f"{here} and name is nothing").one()
    with pytest.raises(exception.MultipleResultsFoundError):
        session.query(here).one()
    with pytest.raises(exception.IncorrectResultError):
        session.query(here).one()
    for text in (f"{here} limit 1", f"{here} offset 1"):
        with pytest.raises(ValueError, match=r"limit|offset"):
            session.query(text).one()
    with pytest.raises(ValueError, match="limit"):
        session.query(f"{here} limit 1").first()


@pytest.mark.parametrize(
    "text",
    [
        "Nothing",
        "Shot where",
        "Shot where nothing is 1",
        "select nothing from Shot",
        "select name.deeper from Shot",
        'Shot where name is "open',
        "Shot where name between a and b",
        "Shot limit -1",
        "",
    ],
)
def test_query_that_makes_no_sense_is_a_server_error(session: Any, text: str) -> None:
    result = session.query(text)

    with pytest.raises(exception.ServerError):
        result.all()


def test_query_groups_give_rows(session: Any, shots: list[Any]) -> None:
    here = f"parent_id is {shots[0]['parent_id']}"
    rows = session.query(f"select parent_id, count(id) from Shot where {here} group by parent_id").all()

    assert rows == [{"parent_id": shots[0]["parent_id"], "count_id": 5}]


def test_query_keeps_local_changes(session: Any, task: Any) -> None:
    task["name"] = "mine"
    found = session.query(f"select name, description from Task where id is {task['id']}").one()

    assert found is task
    assert found["name"] == "mine"


def test_entities_of_a_query_are_one_object_in_threads(connect: Dropins, shots: list[Any]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    session = connect()
    text = f"Shot where parent_id is {shots[0]['parent_id']} order by name"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: session.query(text).all(), range(8)))

    assert len({id(each) for some in found for each in some}) == 5
