"""Pages, without a room: what is loaded, what is shared, and how pages that arrive are merged."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from recordroom.client.identity import row_numbers
from recordroom.client.pages import Page, distinct, prefixes, shared
from recordroom.client.pause import paused_collector
from recordroom.client.session import Session
from recordroom.client.symbols import NOT_SET
from recordroom.model.ids import new_ids
from recordroom.model.schema import Schema
from recordroom.query.request import Page as WirePage
from tests.client.conftest import TYPES

PLAIN = frozenset({"name", "bid"})


class Scripted:
    """A transport that knows the schema and nothing else: these tests must not ask for more."""

    where = "scripted"
    actor = "owner"

    def schema(self, database: str, revision: int | None = None) -> Schema:
        return Schema(TYPES)

    def close(self) -> None:
        pass


@pytest.fixture
def session() -> Session:
    found = Session(Scripted())  # type: ignore[arg-type]
    found.auto_populate = False
    return found


def page_of(**columns: list[Any]) -> Page:
    return Page("Task", new_ids(len(next(iter(columns.values())))), columns, PLAIN)


# --- one page -------------------------------------------------------------------------------------


def test_plain_columns_are_ready_as_they_are() -> None:
    page = page_of(name=["a", "b"], due=[1, 2])

    assert page.ready["name"] is page.columns["name"]
    assert "due" not in page.ready


def test_a_value_that_is_put_is_the_loaded_one() -> None:
    page = page_of(name=["a", "b"], due=[1, 2])
    page.ready["due"] = ["one", "two"]
    page.put("name", 1, "c")
    page.put("due", 1, 3)
    page.put("bid", 0, 7)

    assert page.columns == {"name": ["a", "c"], "due": [1, 3], "bid": [7, NOT_SET]}
    assert page.ready["due"] == ["one", NOT_SET]
    assert page.ready["bid"] is page.columns["bid"]


def test_what_is_forgotten_is_not_set() -> None:
    page = page_of(name=["a", "b"], revision=[5, 5])
    page.forget(0, ["name", "bid"])

    assert page.columns["name"] == [NOT_SET, "b"]
    assert page.raw("bid", 0) is NOT_SET
    assert page.revision_of(0) == 5
    page.forget(0, ["revision"])
    assert page.revision_of(0) == 0


def test_filling_a_whole_page_takes_the_columns_over() -> None:
    page = page_of(name=["a", "b"], revision=[5, 5])
    column = [1, 2]
    page.fill([0, 1], {"bid": column, "revision": [5, 5]})

    assert page.ready["bid"] is column


def test_filling_some_rows_leaves_the_others() -> None:
    page = page_of(name=["a", "b", "c"], revision=[5, 5, 5])
    page.fill([2, 0], {"bid": [3, 1], "revision": [5, 5]})

    assert page.columns["bid"] == [1, NOT_SET, 3]


def test_a_row_that_others_changed_forgets_what_was_loaded_before() -> None:
    page = page_of(name=["a", "b"], revision=[5, 5])
    page.fill([0, 1], {"bid": [1, 2], "revision": [5, 6]})

    assert page.columns == {"name": ["a", NOT_SET], "bid": [1, 2], "revision": [5, 6]}


def test_equal_values_become_one_object() -> None:
    found = shared(["".join(["a", "b"]) for _ in range(3)])

    assert found == ["ab"] * 3
    assert found[0] is found[2]


def test_dotted_names_are_told_apart_by_their_first_step() -> None:
    assert prefixes(["name", "project.name", "project.lead.age", "owner.id"]) == {
        "project": {"name": "project.name", "lead.age": "project.lead.age"},
        "owner": {"id": "owner.id"},
    }


def test_distinct_gives_the_first_row_of_each_id() -> None:
    assert distinct([b"b", None, b"a", b"b", b"a", b"c"]) == [0, 2, 5]


def test_row_numbers_are_shared_by_pages_of_any_size() -> None:
    big = row_numbers(70_000)

    assert row_numbers(3) == [0, 1, 2]
    assert row_numbers(1000)[999] is row_numbers(999 + 1)[999]
    assert big[-1] == 69_999


# --- pages that arrive ----------------------------------------------------------------------------


def wire(ids: list[bytes], **columns: list[Any]) -> WirePage:
    return WirePage(type="Task", ids=list(ids), columns={k: list(v) for k, v in columns.items()})


def test_known_entities_get_newer_values_and_ignore_older_ones(session: Session) -> None:
    ids = new_ids(2)
    first = session._identity.meet(wire(ids, revision=[5, 5], name=["a", "b"], bid=[1, 2]))
    again = session._identity.meet(wire(ids, revision=[6, 4], name=["new", "old"]))

    assert again == first
    assert again[0] is first[0]
    assert (first[0]["name"], first[0]["bid"]) == ("new", NOT_SET)
    assert (first[1]["name"], first[1]["bid"]) == ("b", 2)


def test_the_same_revision_adds_to_what_is_loaded(session: Session) -> None:
    ids = new_ids(2)
    first, second = session._identity.meet(wire(ids, revision=[5, 5], name=["a", "b"]))
    session._identity.meet(wire(ids[:1], revision=[5], bid=[1]))
    session._identity.meet(wire(ids[1:], revision=[5], name=["b"], bid=[2], hours=[1.5]))

    assert (first["name"], first["bid"]) == ("a", 1)
    assert (second["name"], second["bid"], second["hours"]) == ("b", 2, 1.5)


def test_dotted_columns_fill_the_entities_on_the_way(session: Session) -> None:
    ids, projects, [lead] = new_ids(3), new_ids(2), new_ids(1)
    columns: dict[str, list[Any]] = {
        "revision": [5, 5, 5],
        "project": [projects[0], None, projects[0]],
        "project.name": ["P", None, "P"],
        "project.revision": [3, None, 3],
        "project.lead": [lead, None, lead],
        "project.lead.entity_type": ["User", None, "User"],
        "project.lead.name": ["ann", None, "ann"],
        "project.lead.revision": [2, None, 2],
        "owner": [lead, projects[1], None],
        "owner.entity_type": ["User", "Group", None],
    }
    first, second, third = session._identity.meet(WirePage(type="Task", ids=ids, columns=columns))

    assert first["project"] is third["project"]
    assert first["project"]["name"] == "P"
    assert first["project"]["lead"]["name"] == "ann"
    assert first["owner"] is first["project"]["lead"]
    assert second["project"] is None
    assert second["owner"]["entity_type"] == "Group"


def test_dates_of_a_page_are_converted_in_stretches(session: Session) -> None:
    tasks = session._identity.meet(wire(new_ids(600), revision=[5] * 600, due=list(range(600)), day=[None] * 600))
    assert tasks[300]["due"].microsecond == 300
    ready = tasks[0]._page.ready["due"]

    assert [row for row in (0, 255, 256, 511, 512) if ready[row] is not NOT_SET] == [256, 511]
    assert tasks[0]["due"].microsecond == 0
    assert tasks[300]["due"] is tasks[300]["due"]
    assert tasks[5]["day"] is None


def test_attributes_of_one_name_and_other_kinds_in_one_hierarchy(session: Session) -> None:
    from recordroom.model.schema import Attribute, EntityType

    schema = Schema(
        (
            EntityType(name="Base", abstract=True),
            EntityType(name="One", extends="Base", attributes=(Attribute(name="x", kind="integer"),)),
            EntityType(name="Two", extends="Base", attributes=(Attribute(name="x", kind="datetime"),)),
        )
    )
    session._identity.learn(schema)
    page = WirePage(
        type="Base", ids=new_ids(3), types=["One", "Two", "One"], columns={"revision": [1] * 3, "x": [7, 8, 9]}
    )
    one, two, three = session._identity.meet(page)

    assert two["x"].microsecond == 8
    assert (one["x"], three["x"]) == (7, 9)


# --- the collector --------------------------------------------------------------------------------


@pytest.fixture
def collector() -> Iterator[None]:
    was = gc.isenabled()
    gc.enable()
    yield
    (gc.enable if was else gc.disable)()


@pytest.mark.usefixtures("collector")
def test_the_collector_pauses_until_the_last_use_ends() -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with paused_collector:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with paused_collector:
        thread.start()
        inside.wait()
        with paused_collector:
            assert not gc.isenabled()
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()


@pytest.mark.usefixtures("collector")
def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    with pytest.raises(RuntimeError), paused_collector:
        raise RuntimeError
    assert not gc.isenabled()
