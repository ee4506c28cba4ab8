"""What a session costs, in round trips, SQL statements and lines of Python: figures that must not grow."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from recordroom.client.session import Session
from tests.client.conftest import Connect
from tests.client.street import room_behind


def cost(session: Session, work: Callable[[], Any]) -> tuple[int, int]:
    """(round trips, SQL statements) of some work."""
    with room_behind(session) as room:
        trips, statements, requests = session.round_trips, room.driver.statements, sent(session)
        work()
        trips, statements = session.round_trips - trips, room.driver.statements - statements
    assert sent(session) - requests == (trips if hasattr(session.transport, "caller") else 0)
    return trips, statements


def sent(session: Session) -> int:
    """How many requests went over the network."""
    caller = getattr(session.transport, "caller", None)
    return 0 if caller is None else int(caller.sent)


def fill_flights(session: Session, count: int = 500, planes: int = 300) -> None:
    made = session.create_many("Plane", {"tail": [f"N{i}" for i in range(planes)], "manufacturer": ["BOEING"] * planes})
    session.create_many(
        "Flight", {"code": [f"F{i}" for i in range(count)], "plane": [made[i % planes]["id"] for i in range(count)]}
    )
    session.commit()


def test_a_loop_over_the_planes_of_500_flights_takes_two_round_trips(session: Session, other: Session) -> None:
    fill_flights(session)
    seen: list[Any] = []

    def loop() -> None:
        seen.extend(flight["plane"]["manufacturer"] for flight in other.query("Flight limit 500"))

    trips, statements = cost(other, loop)
    assert trips == 2
    assert statements <= 8
    assert seen == ["BOEING"] * 500


def test_touching_an_attribute_of_500_entities_takes_one_round_trip(session: Session, other: Session) -> None:
    fill_flights(session)
    flights = other.query("select code from Flight").all()

    assert cost(other, lambda: [flight["created_at"] for flight in flights])[0] == 1


def test_owners_in_a_hierarchy_take_two_round_trips(session: Session, other: Session) -> None:
    users = [session.create("User", {"name": f"u{i}", "age": i}) for i in range(20)]
    for i in range(100):
        session.create("Task", {"name": f"t{i}", "owner": users[i % 20]})
    session.commit()

    assert cost(other, lambda: [task["owner"]["name"] for task in other.query("Task")])[0] == 2


def test_paths_through_collections_take_one_round_trip_each(session: Session, other: Session) -> None:
    for i in range(30):
        project = session.create("Project", {"name": f"p{i}"})
        for j in range(3):
            session.create("Task", {"name": f"t{j}", "project": project})
    session.commit()

    def loop() -> None:
        for project in other.query("Project"):
            for task in project["tasks"]:
                assert task["name"]
                assert len(task["assignees"]) == 0

    # The projects, their tasks, and the numbers of assignees.
    assert cost(other, loop)[0] == 3


@pytest.mark.parametrize("count", [10, 1000])
def test_a_commit_is_one_round_trip_of_as_many_statements_however_much_it_creates(session: Session, count: int) -> None:
    for i in range(count):
        session.create("Plane", {"tail": f"N{i}"})

    trips, statements = cost(session, session.commit)
    assert trips == 1
    assert statements <= 30


def test_what_a_commit_costs_does_not_depend_on_how_much_is_loaded(connect: Connect) -> None:
    first = connect()
    fill_flights(first, 2000, 10)

    def lines(limit: int) -> int:
        """How many lines of Python ran, in the client and the engine."""
        session = connect()
        flights = session.query(f"Flight limit {limit}").all()
        flights[0]["code"] = f"changed {limit}"
        session.commit()
        flights[0]["code"] = f"changed again {limit}"
        counted = 0

        def trace(frame: Any, event: str, argument: Any) -> Any:
            nonlocal counted
            counted += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            session.commit()
        finally:
            sys.settrace(before)
        return counted

    few, many = lines(10), lines(1000)
    assert few > 100
    assert abs(many - few) < few * 0.1


def test_a_session_asks_nothing_until_it_must(session: Session, connect: Connect) -> None:
    fresh = connect()

    def nothing() -> None:
        fresh.create("Task", {"name": "t", "project": fresh.create("Project", {"name": "P"})})
        fresh.create_many("Task", {"name": ["a", "b"]})
        fresh.query("Task where bid > 3").order_by("name")
        assert fresh.operations
        fresh.rollback()
        fresh.commit()

    assert cost(fresh, nothing) == (0, 0)


def test_deep_pages_cost_what_the_first_ones_do(session: Session, connect: Connect) -> None:
    fill_flights(session, 600, 1)
    reader = connect(page_size=100)
    trips, statements = cost(reader, lambda: list(reader.query("Flight order by code")))

    # One page of 100, one of 400, one of 100, and the count that `list` asks for.
    assert trips == 4
    assert statements <= 16
