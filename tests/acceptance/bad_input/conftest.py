"""A room on each database that has every kind, and what a refusal must be.

The modules here hold one test for every item of the list of bad input: test_names, test_values, test_changes,
test_queries, test_injection, test_rooms. A refusal is one named error with its facts, changes nothing in the room and
leaves the session usable; `Desk.refuses` and the end of the fixture `desk` see to that for every test.
"""

from __future__ import annotations

import contextlib
import string
from collections.abc import Iterator
from typing import Any

import pytest

import recordroom as rr
from recordroom.client.session import Session
from recordroom.store.plans import Fetch, Plan
from tests.conftest import DATABASES, Places

SCHEMA = """
[Place.attributes]
name = { kind = "text", required = true, unique = true }
size = "integer"

[Thing]
unique = [["place", "slot"]]
[Thing.attributes]
name = { kind = "text", required = true }
code = { kind = "text", unique = true }
slot = "integer"
place = { kind = "reference", target = "Place", reverse = "things" }
keeper = { kind = "reference", target = "Place", reverse = "kept", on_delete = "restrict" }
owner = { kind = "reference", target = "Place", reverse = "owned", on_delete = "cascade" }
next = { kind = "reference", target = "Thing", reverse = "previous" }
few = { kind = "integer", min = 0, max = 10 }
share = { kind = "number", min = 0, max = 1 }
price = { kind = "decimal", min = 0, max = 100 }
short = { kind = "text", max_length = 5 }
tags = { kind = "text", multi = true }
counts = { kind = "mapping", of = "integer" }
noted = { kind = "links", target = "Place", reverse = "noting", notes = true }
k_text = "text"
k_long_text = "long_text"
k_integer = "integer"
k_number = "number"
k_decimal = "decimal"
k_boolean = "boolean"
k_date = "date"
k_datetime = "datetime"
k_choice = { kind = "choice", choices = ["open", "done"] }
k_json = "json"
k_uuid = "uuid"
k_hyperlink = "hyperlink"
k_color = "color"
k_reference = { kind = "reference", target = "Place", reverse = "referring" }
k_links = { kind = "links", target = "Place", reverse = "linking" }
k_mapping = "mapping"
"""


class Desk:
    """A session on a room of its own, and how to see that a refusal is one."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.session: Session = rr.connect(where, durability="normal")
        self.session.apply_schema(SCHEMA)
        self.place = self.session.create("Place", {"name": "harbour"})
        self.thing = self.session.create("Thing", {"name": "anchor", "code": "A", "place": self.place, "slot": 1})
        self.session.commit()

    def rows(self, sql: str) -> list[Any]:
        """The rows of a statement, from the tables themselves."""

        def plan() -> Plan[list[Any]]:
            return (yield Fetch(sql))

        return list(self.session.transport.driver.run(plan()))  # type: ignore[attr-defined]

    @property
    def revision(self) -> int:
        return int(self.rows("SELECT revision FROM rr_room")[0][0])

    def state(self) -> dict[str, Any]:
        """Everything that a commit can change."""
        listed = "SELECT name FROM sqlite_master WHERE type = 'table'"
        if "://" in self.where:
            listed = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        tables = [name for (name,) in self.rows(listed) if not name.startswith(("rr_", "sqlite_")) and "~" not in name]
        return {
            "revision": self.revision,
            "commits": self.rows("SELECT count(*) FROM rr_commit"),
            "schemas": self.rows("SELECT key, schema FROM rr_database ORDER BY key"),
            **{name: sorted(map(repr, self.rows(f'SELECT * FROM "{name}"'))) for name in tables},
        }

    @contextlib.contextmanager
    def refuses(self, error: type[rr.Error], /, **facts: Any) -> Iterator[pytest.ExceptionInfo[Any]]:
        """The block raises this error with these facts and changes nothing."""
        # The rows themselves are compared at the end of each test.
        count = "SELECT revision, (SELECT count(*) FROM rr_commit) FROM rr_room"
        before = self.rows(count)
        with pytest.raises(error) as caught:
            yield caught
        named(caught.value, error, **facts)
        self.session.rollback()
        assert self.rows(count) == before

    def works(self) -> None:
        """The session still does what it is for."""
        self.session.rollback()
        assert self.session.operations == []
        thing = self.session.create("Thing", {"name": "buoy", "place": self.place, "slot": 99})
        self.session.commit()
        assert self.session.query("Thing where name is 'buoy'").one() is thing
        self.session.delete(thing)
        self.session.commit()
        assert self.session.query("Thing where name is 'buoy'").first() is None

    def in_order(self) -> None:
        """Journal, tables, indexes and followers agree."""
        self.session.history(self.thing)
        self.session.search("anchor")
        report = self.session.transport.check()  # type: ignore[attr-defined]
        assert [str(problem) for problem in report] == []


def named(raised: rr.Error, error: type[rr.Error], /, **facts: Any) -> None:
    """It is this error or a more exact one under the same code, its facts are attributes, and its message can be read."""
    assert isinstance(raised, error)
    assert raised.code == error.code, f"{type(raised).__name__} instead of {error.__name__}: {raised}"
    assert {name: getattr(raised, name) for name in facts} == facts
    message = str(raised)
    message.encode()
    assert len(message) > 12
    assert "\0" not in message
    if message == type(raised).describe(raised.facts):
        template = (type(raised).__doc__ or "").partition("\n")[0]
        fields = {field.partition("!")[0] for _, field, _, _ in string.Formatter().parse(template) if field}
        assert fields <= set(raised.facts), f"the message lacks facts: {message}"


@pytest.fixture(scope="module")
def desk_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(Places(tmp_path_factory.mktemp("bad"))("desk"))
    yield desk
    desk.in_order()
    desk.session.close()


@pytest.fixture(scope="module")
def desk_postgresql(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Desk]:
    places = Places(tmp_path_factory.mktemp("bad"), postgres_url)
    desk = Desk(places("desk"))
    yield desk
    desk.in_order()
    desk.session.close()
    places.clean()


@pytest.fixture(params=DATABASES)
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """The desk; a test that uses it runs on both databases and leaves the room as it was."""
    found: Desk = request.getfixturevalue(f"desk_{request.param}")
    before = found.state()
    yield found
    found.works()
    kept = {"revision", "commits"}
    assert {k: v for k, v in found.state().items() if k not in kept} == {
        k: v for k, v in before.items() if k not in kept
    }
