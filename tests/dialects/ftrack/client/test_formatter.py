"""`formatter.format`: entities as texts for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from recordroom.dialects.ftrack.client import formatter
from recordroom.dialects.ftrack.client.logging import LazyLogMessage, deprecation_warning
from tests.dialects.ftrack.client.dropins import embedded_dropins

NAMES = ("id", "name", "parent", "children", "username", "email")


def only(entity: Any, name: str, value: Any) -> bool:
    return name in NAMES


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with embedded_dropins(tmp_path_factory.mktemp("formatter")) as dropins:
        yield dropins()


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "ANSI_COLORS_DISABLED"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def shot(session: Any) -> Any:
    schema = session.query("ProjectSchema").first()
    project = session.create("Project", {"name": "p", "full_name": "p", "project_schema": schema})
    made = session.create("Shot", {"name": "sh010", "parent": project})
    session.create("Shot", {"name": "sh010b", "parent": made})
    session.commit()
    return made


def test_an_entity_is_its_type_and_its_attributes_in_order(session: Any) -> None:
    user = session.create("User", {"username": "ann", "email": "ann@example.org"})

    text = formatter.format(user, attribute_filter=only)

    assert text == f"User\n email: ann@example.org\n id: {user['id']}\n username: ann"
    session.rollback()


def test_entities_within_are_indented_and_circles_marked(shot: Any) -> None:
    text = formatter.format(shot, attribute_filter=only, recursive=True, indent=2)
    lines = text.splitlines()

    assert lines[0] == "  Shot"
    assert any(each.startswith("   parent: Project") for each in lines)
    assert "Shot{...}" in text
    assert "              name: sh010b" in lines
    assert not formatter.format(shot, attribute_filter=only, indent=2, indent_first_line=False).startswith(" ")


def test_without_recursion_a_collection_is_one_line(shot: Any) -> None:
    lines = formatter.format(shot, attribute_filter=lambda entity, name, value: name == "children").splitlines()

    assert len(lines) == 2


def test_what_is_not_set_can_be_left_out(session: Any, shot: Any) -> None:
    fresh = session.query(f'select name from Shot where id is "{shot["id"]}"').one()
    with session.auto_populating(False):
        text = formatter.format(fresh, attribute_filter=formatter.FILTER["ignore_unset"])

    assert "NOT_SET" not in text
    assert "name: sh010" in text


def test_looks_may_be_given(shot: Any) -> None:
    looks = {"header": str.upper, "label": lambda text: f"<{text}>"}

    text = formatter.format(shot, formatters=looks, attribute_filter=lambda entity, name, value: name == "name")

    assert text == "SHOT\n <name>: sh010"


@pytest.mark.parametrize(
    ("variables", "is_coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": ""}, False)],
)
def test_colours_are_for_terminals_and_those_who_ask(
    shot: Any, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], is_coloured: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert ("\x1b[" in formatter.format(shot, attribute_filter=only)) is is_coloured


def test_messages_of_logs_are_made_when_they_are_read() -> None:
    assert str(LazyLogMessage("Hello {0} and {name}", "world", name="you")) == "Hello world and you"


def test_who_calls_what_goes_away_is_warned() -> None:
    @deprecation_warning("use other()")
    def old(x: int) -> int:
        return x + 1

    with pytest.warns(PendingDeprecationWarning, match="use other"):
        assert old(1) == 2
