"""Query results: lazy, sliced and counted on the server, merged into what the session has."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from recordroom.client.session import Session
from recordroom.errors import (
    InvalidQuery,
    MultipleResults,
    NoResult,
    QuerySyntaxError,
    UnknownAttribute,
    UnknownType,
)


@pytest.fixture
def filled(connect: Any) -> Session:
    """Twenty tasks of two projects, and pages of three."""
    first = connect()
    projects = [first.create("Project", {"name": name, "budget": Decimal("1.5")}) for name in "PQ"]
    users = [first.create("User", {"name": "ann"}), first.create("Group", {"name": "crew"})]
    for i in range(20):
        task = first.create("Task", {"name": f"t{i:02}", "bid": i, "project": projects[i % 2], "owner": users[i % 2]})
        task["day"] = dt.date(2026, 1, 1 + i)
    first.commit()
    session: Session = connect(page_size=3)
    return session


def names(rows: Any) -> list[str]:
    return [row["name"] for row in rows]


ALL = [f"t{i:02}" for i in range(20)]


def test_nothing_is_asked_before_it_is_needed(filled: Session) -> None:
    before = filled.statistics.get("query", 0)
    result = filled.query("Task where bid > 3").order_by("name").limit(5)[1:3]

    assert filled.statistics.get("query", 0) == before
    assert names(result) == ["t05", "t06"]
    assert repr(result) == "<QueryResult Task where bid > 3 order by name limit 2 offset 1>"


def test_iterating_streams_every_row_in_pages(filled: Session) -> None:
    assert names(filled.query("Task order by name")) == ALL
    assert names(filled.query("Task order by bid desc")) == ALL[::-1]
    assert names(filled.query("Task order by project.name, name desc limit 7 offset 2")) == ALL[14::-2][:7]
    assert len(list(filled.query("Task"))) == 20


def test_len_is_counted_once_on_the_server(filled: Session) -> None:
    result = filled.query("Task where bid >= 10")

    assert len(result) == 10
    assert len(result) == 10
    assert filled.statistics["count"] == 1
    assert filled.statistics.get("query", 0) == 0
    assert result.count() == 10
    assert filled.statistics["count"] == 2
    assert len(filled.query("Task limit 7 offset 15")) == 5


def test_a_list_of_one_page_takes_one_round_trip(filled: Session) -> None:
    filled.query("Task limit 1").all()
    before = filled.round_trips

    assert len(list(filled.query("Task where bid < 3"))) == 3
    assert filled.round_trips == before + 1


def test_all_takes_one_round_trip_however_many_rows(filled: Session) -> None:
    filled.query("Task limit 1").all()
    before = filled.round_trips

    assert names(filled.query("Task order by name").all()) == ALL
    assert filled.round_trips == before + 1


@pytest.mark.parametrize("index", [0, 7, 19, -1, -20])
def test_an_index_gives_that_row(filled: Session, index: int) -> None:
    assert filled.query("Task order by name")[index]["name"] == ALL[index]


@pytest.mark.parametrize("index", [20, -21])
def test_an_index_out_of_range_is_an_index_error(filled: Session, index: int) -> None:
    with pytest.raises(IndexError):
        filled.query("Task order by name")[index]
    with pytest.raises(IndexError):
        filled.query("Task order by name limit 3")[3]


@pytest.mark.parametrize(
    "part",
    [
        slice(None),
        slice(2, 5),
        slice(None, 4),
        slice(15, None),
        slice(-3, None),
        slice(-5, -2),
        slice(5, 2),
        slice(18, 90),
    ],
)
def test_a_slice_is_a_lazy_result_of_those_rows(filled: Session, part: slice) -> None:
    result = filled.query("Task order by name")[part]

    assert names(result) == ALL[part]
    assert len(result) == len(ALL[part])
    assert names(result[1:3]) == ALL[part][1:3]
    with pytest.raises(InvalidQuery):
        result[::2]


def test_one_first_exists_and_truth(filled: Session) -> None:
    assert filled.query("Task where bid is 3").one()["name"] == "t03"
    with pytest.raises(NoResult):
        filled.query("Task where bid is 99").one()
    with pytest.raises(MultipleResults):
        filled.query("Task").one()
    assert filled.query("Task order by bid desc").first()["name"] == "t19"
    assert filled.query("Task where bid is 99").first() is None
    assert filled.query("Task").exists()
    assert not filled.query("Task where bid is 99").exists()
    assert not filled.query("Task limit 0").exists()
    assert filled.query("Task where bid is 3")
    assert not filled.query("Task where bid is 99")
    assert filled.query("select count() from Task").exists()


def test_questions_may_be_types_conditions_and_trees(filled: Session) -> None:
    Task = filled.types["Task"]

    assert len(filled.query(Task)) == 20
    assert names(filled.query((Task.project.name == "P") & (Task.bid > 14))) == ["t16", "t18"]
    assert names(filled.query(Task).where(Task.bid < 5, "project.name is Q").order_by(Task.bid.desc())) == [
        "t03",
        "t01",
    ]
    assert names(filled.query(filled.query("Task where bid is 3").query)) == ["t03"]
    inner = filled.query("select id from Project where name is P")
    assert len(filled.query(Task).where(Task.project.in_(inner))) == 10
    with pytest.raises(TypeError):
        filled.query(3)


def test_values_given_by_name_are_never_part_of_the_text(filled: Session) -> None:
    evil = '" or name like "%'
    project = filled.query("Project where name is P").one()

    assert len(filled.query("Task where name is $name", name=evil)) == 0
    assert names(filled.query("Task where name is $name", name="t03")) == ["t03"]
    assert len(filled.query("Task where project is $project", project=project)) == 10
    assert names(filled.query("Task where day is $day", day=dt.date(2026, 1, 5))) == ["t04"]
    assert names(filled.query("Task where bid in ($bids)", bids=[1, 2])) == ["t01", "t02"]
    with pytest.raises(InvalidQuery):
        filled.query("Task where name is $name")


def test_wrong_questions_are_refused_when_they_are_asked(filled: Session) -> None:
    with pytest.raises(UnknownType) as no_type:
        filled.query("Taks")
    assert no_type.value.suggestions == ["Task"]
    with pytest.raises(UnknownAttribute) as no_attribute:
        filled.query("Task where nmae is x")
    assert no_attribute.value.suggestions[0] == "name"
    with pytest.raises(UnknownAttribute):
        filled.query("select project.nmae from Task")
    with pytest.raises(QuerySyntaxError):
        filled.query("Task where")
    with pytest.raises(InvalidQuery, match="before"):
        filled.query("Task limit 3").where("bid > 3")


def test_groups_and_aggregates_come_as_plain_mappings(filled: Session) -> None:
    rows = filled.query("select project, count() as n, max(day) as last from Task group by project order by n").all()

    assert {row["project"]["name"]: (row["n"], row["last"]) for row in rows} == {
        "P": (10, dt.date(2026, 1, 19)),
        "Q": (10, dt.date(2026, 1, 20)),
    }
    assert filled.query("select sum(bid) as s from Task").one() == {"s": 190}
    assert filled.query("Task").select("lower(name) as low", "bid").order_by("bid").first() == {"low": "t00", "bid": 0}
    grouped = filled.query("Task").select("status", "count() as n").group_by("status")
    assert list(grouped) == [{"status": "open", "n": 20}]
    assert len(grouped) == 1


def test_selected_paths_fill_the_related_entities(filled: Session) -> None:
    tasks = filled.query("select name, project.name, project.budget, owner.name from Task order by name").all()
    before = filled.round_trips

    assert tasks[0]["project"]["name"] == "P"
    assert tasks[0]["project"]["budget"] == Decimal("1.5")
    assert [task["owner"]["entity_type"] for task in tasks[:2]] == ["User", "Group"]
    assert [task["owner"]["name"] for task in tasks[:2]] == ["ann", "crew"]
    assert len({id(task["project"]) for task in tasks}) == 2
    assert filled.round_trips == before
    assert tasks[0]["bid"] == 0
    assert filled.round_trips == before + 1


def test_a_query_over_a_hierarchy_gives_entities_of_their_own_types(filled: Session) -> None:
    found = filled.query("Resource order by name").all()

    assert [entity["entity_type"] for entity in found] == ["User", "Group"]
    assert isinstance(found[0], filled.types["User"])
    assert found[0]["age"] is None
    assert found[1]["motto"] is None
    assert filled.query("User").one() is found[0]


def test_a_query_merges_into_entities_and_keeps_local_edits(filled: Session, connect: Any) -> None:
    task = filled.query("Task where name is t03").one()
    task["hours"] = 1.5
    elsewhere = connect()
    theirs = elsewhere.query("Task where name is t03").one()
    theirs["bid"], theirs["note"] = 33, "new"
    elsewhere.commit()

    again = filled.query("Task where name is t03").one()
    assert again is task
    assert task["bid"] == 33
    assert task["note"] == "new"
    assert task["hours"] == 1.5
    assert filled.state(task) == "modified"


def test_what_is_loaded_stays_only_while_the_revision_is_the_same(filled: Session, connect: Any) -> None:
    task = filled.query("Task where name is t03").one()
    filled.query("select name from Task where name is t03").one()
    before = filled.round_trips
    assert task["bid"] == 3
    assert filled.round_trips == before

    elsewhere = connect()
    elsewhere.query("Task where name is t03").one()["bid"] = 33
    elsewhere.commit()
    filled.query("select name from Task where name is t03").one()
    assert filled.round_trips == before + 1
    assert task["bid"] == 33
    assert filled.round_trips == before + 2


def test_the_same_question_sees_what_was_committed_since(filled: Session, connect: Any) -> None:
    result = filled.query("Task where bid > 100")
    assert list(result) == []
    elsewhere = connect()
    elsewhere.create("Task", {"name": "late", "bid": 101})
    assert list(result) == []
    elsewhere.commit()

    assert names(result) == ["late"]


def test_explain_shows_the_statement(filled: Session) -> None:
    assert "SELECT" in filled.query("Task where bid > 3").explain().upper()


def test_results_become_frames(filled: Session) -> None:
    result = filled.query("select name, bid from Task order by name")

    assert result.to_arrow().column("name").to_pylist() == ALL
    assert result.to_polars()["bid"].sum() == 190
    assert list(result.to_pandas()["name"]) == ALL
    assert sum(batch.num_rows for batch in result.to_batches(7)) == 20
    assert sum(page.count for page in result.pages()) == 20
