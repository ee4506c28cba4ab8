"""Queries that differ in values only are parsed once, and mean what each of them says."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordroom.dialects.ftrack.parsing import parsed
from recordroom.dialects.ftrack.text import readable
from recordroom.errors import Error, QueryTooComplex
from recordroom.query import grammar
from recordroom.query.grammar import parse
from recordroom.query.limits import MAX_LENGTH

ONE, OTHER = "01890a5d-ac96-774b-bcce-b302099a8057", "01890A5D-AC96-774B-BCCE-B302099A8058"
FORMS = [
    "Task where id is {0}",
    "select name from Task where id in ({0}, '{1}',\"{0}\" ) limit 5",
    'Task where id not_in ({0},x) and (name is "a b" or not name like "%\\_x")',
    "Task where parent has (name is {0} and children any (name in (a, 2, None)))",
    "Task where parent_id in (select id from Shot where name is {0} limit 3) order by name",
    "Task where bid > 5 and name is 'it\"s' and is_hidden is true",
    "Task where a is {0} + 2",
    "Task where a is $v0 and b is {0}",
    "Task where $v0 is {0}",
    "Task where a is {0} and b ==",
    "Task where a in ({0} {1})",
    "Task where a in ()",
    "Task where custom_attributes any (key is pay and value > 3)",
]


def same(text: str) -> bool:
    try:
        expected = parse(readable(text))
    except Error as error:
        with pytest.raises(type(error)) as caught:
            parsed(text)
        return str(caught.value) == str(error)
    return parsed(text) == expected


@pytest.mark.parametrize("form", FORMS)
def test_a_query_means_what_it_means_alone(form: str) -> None:
    text = form.format(ONE, OTHER)

    assert same(text)
    assert same(text.replace(ONE, "shot-010"))


_WORDS = ["Task", "where", "is", "in", "(", ")", ",", "and", "not", "select", "from", "a", "b.c", '"x"', "'$v0'", "$v0"]
_WORDS += ["5", "none", ONE, f'"{OTHER}"', "like", '"\\""', "any", "=", "has", "]"]


@given(st.lists(st.sampled_from(_WORDS), max_size=14))
def test_any_text_means_what_it_means_alone_or_is_as_wrong(words: list[str]) -> None:
    assert same("Task where " + " ".join(words))


def test_queries_that_differ_in_values_are_parsed_once() -> None:
    ids = [str(uuid.uuid4()) for _ in range(60)]
    parsed(f"Task where id is {ids[0]} and project.id in ({', '.join(ids)})")
    before = grammar._cached.cache_info().misses
    for place, each in enumerate(ids):
        parsed(f'Task where id is "{each}" and project.id in ({", ".join(ids[place:])})')

    assert grammar._cached.cache_info().misses - before <= 1  # with quotes, the text has a space more


def test_a_client_may_ask_for_twenty_thousand_entities_at_once() -> None:
    ids = [str(uuid.uuid4()) for _ in range(20_000)]
    found = parsed(f"select name from Task where id in ({','.join(ids)})")

    assert [each.value for each in found.where.items] == ids  # type: ignore[union-attr]


def test_texts_without_end_are_refused_before_they_are_read() -> None:
    with pytest.raises(QueryTooComplex):
        parsed("Task where name in (" + "a," * MAX_LENGTH)
