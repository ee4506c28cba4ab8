"""What the documents promise beyond their examples: every error is described, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import recordroom
from recordroom import errors
from recordroom.model.kinds import KINDS
from recordroom.model.schema import Attribute, EntityType
from recordroom.query.syntax import AGGREGATES, FUNCTIONS, OPERATORS

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [each for each in errors.__all__ if each != "Error"])
def test_the_page_of_errors_has_a_row_for_every_class_with_its_code(name: str) -> None:
    code = getattr(errors, name).code
    assert f"\n| `{name}` | `{code}` | " in text_of("docs/errors.md")


def test_the_page_of_errors_describes_no_class_that_there_is_not() -> None:
    described = re.findall(r"^\| `([A-Z]\w+)` \|", text_of("docs/errors.md"), re.MULTILINE)
    assert set(described) <= set(errors.__all__)
    assert set(described) <= set(recordroom.__all__)


def test_the_page_of_schemas_has_a_row_for_every_kind_and_every_setting() -> None:
    page = text_of("docs/schema.md")
    rows = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", page, re.MULTILINE))))
    settings = {*Attribute.__struct_fields__} - {"name", "derived", "inverse", "system"}
    of_types = {*EntityType.__struct_fields__} - {"name", "attributes", "versioned"}
    assert rows >= {*KINDS, *settings, *of_types}


def test_the_page_of_queries_names_every_operator_and_function() -> None:
    page = text_of("docs/query.md")
    missing = [each for each in OPERATORS if f"`{each}" not in page]
    missing += [each for each in (*FUNCTIONS, *AGGREGATES) if f"`{each}(" not in page]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    there = [each for each in targets if "://" not in each]
    assert [each for each in there if not (document.parent / each).exists()] == []


def test_every_page_is_reached_from_the_readme() -> None:
    found, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in found and page.suffix == ".md":
            found.add(page)
            targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
            waiting += [(page.parent / each).resolve() for each in targets if "://" not in each]
    assert set(DOCUMENTS) - found == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_within_documents_lead_to_a_heading(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*\.md)?#([\w-]+)\)", document.read_text(encoding="utf-8"))
    assert [(page, at) for page, at in links if at not in anchors(document.parent / page if page else document)] == []


def anchors(document: Path) -> set[str]:
    """What a link into a page may name: its headings, as the hosts of code make anchors of them."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in titles}


def test_the_page_of_http_has_a_row_for_every_route() -> None:
    from recordroom.server.routes import ROUTES

    page = text_of("docs/http.md")
    rows = set(re.findall(r"^\| `([A-Z]+ /[^`]*)` \|", page, re.MULTILINE))
    assert rows == {f"{each.method} {each.path}" for each in ROUTES}


def test_the_page_of_running_a_server_has_every_setting() -> None:
    import msgspec

    from recordroom.server.settings import ServerSettings

    page = text_of("docs/running.md")
    rows = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    named = {name.rpartition(".")[2] for row in rows for name in re.findall(r"`([\w.]+)`", row)}
    for name, value in msgspec.to_builtins(ServerSettings()).items():
        assert set(value if isinstance(value, dict) else [name]) <= named, name
