from __future__ import annotations

from typing import Any

import pytest

from recordroom.errors import InvalidQuery, QueryTooComplex, UnknownDatabase, UnknownType
from recordroom.model.operations import DefineType, Delete, Update
from recordroom.model.words import terms
from recordroom.query.request import DatabaseInfo, Hit, SearchRequest
from recordroom.store.search import match_expression, matches_subquery
from recordroom.store.snippets import snippet
from recordroom.store.sqltext import marked
from tests.store.desk import STUDIO, Desk


def search(desk: Desk, text: str, *types: str, **facts: Any) -> list[Hit]:
    return desk.room.search(SearchRequest(**{"database": "main", "text": text, "types": types, **facts}))


def ids(desk: Desk, text: str, *types: str) -> set[bytes]:
    return {hit.id for hit in search(desk, text, *types)}


def test_every_word_must_be_found_in_some_text_of_the_entity(desk: Desk) -> None:
    both, one = desk.create("Task", name=["red door", "red"], text=["Paint the wall.", None])

    assert ids(desk, "RED wall") == {both}
    assert ids(desk, "red") == {both, one}
    assert ids(desk, "red green") == set()


def test_a_star_matches_beginnings(desk: Desk) -> None:
    one, two = desk.create("Task", name=["animation", "anime"])

    assert ids(desk, "anim*") == {one, two}
    assert ids(desk, "anima*") == {one}
    assert ids(desk, "anim") == set()


@pytest.mark.parametrize("text", ["Straße", "STRASSE", "東京", "京 東", "हिन्दी", "zoë", "naïve*", "NEAR AND OR NOT"])
def test_words_of_any_script_are_found(desk: Desk, text: str) -> None:
    [task] = desk.create("Task", text=["straße 東京 हिन्दी Zoë naïveté near and or not"])

    assert ids(desk, text) == {task}


@pytest.mark.parametrize("text", ["", "  ", "!!!", "*", '"', "'"])
def test_a_text_without_a_word_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(InvalidQuery, match="no word"):
        search(desk, text)


@pytest.mark.parametrize("text", ['"a', "a' | 'b", "a & b", "a:*b", "a) (b", "-a", "^a", "words:a", "{a}", "a\\"])
def test_signs_of_the_databases_own_languages_mean_nothing(desk: Desk, text: str) -> None:
    [task] = desk.create("Task", name=["a b words"])

    assert ids(desk, text) == {task}


def test_too_many_words_are_refused(desk: Desk) -> None:
    with pytest.raises(QueryTooComplex) as caught:
        search(desk, " ".join(f"w{n}" for n in range(51)))

    assert caught.value.limit == 50


def test_types_narrow_and_subtypes_count_with_them(desk: Desk) -> None:
    shot = desk.create_one("Shot", name="word")
    prop = desk.create_one("Prop", name="word")
    task = desk.create_one("Task", name="word")

    assert ids(desk, "word") == {shot, prop, task}
    assert ids(desk, "word", "Asset") == {shot, prop}
    assert ids(desk, "word", "Shot", "Task") == {shot, task}
    assert {hit.id: hit.type for hit in search(desk, "word")} == {shot: "Shot", prop: "Prop", task: "Task"}
    with pytest.raises(UnknownType):
        search(desk, "word", "Tsk")
    with pytest.raises(UnknownDatabase):
        search(desk, "word", database="mian")


def test_hits_come_best_first_with_a_limit_and_an_offset(desk: Desk) -> None:
    long, short, middle = desk.create("Task", name=["word and many more of them", "word", "word or two"])

    hits = search(desk, "word")

    assert [hit.id for hit in hits] == [short, middle, long]
    assert [hit.rank for hit in hits] == sorted((hit.rank for hit in hits), reverse=True)
    assert [hit.id for hit in search(desk, "word", limit=1, offset=1)] == [middle]


def test_snippets_show_the_words_where_they_stand(desk: Desk) -> None:
    desk.create(
        "Task", name=["Red door"], text=["one " * 50 + "a red, red wall " + "two " * 50], words=['["blue","red"]']
    )

    [hit] = search(desk, "re*")

    assert hit.snippets["name"] == "[Red] door"
    assert hit.snippets["words"] == "blue [red]"
    assert "a [red], [red] wall" in hit.snippets["text"]
    assert hit.snippets["text"].startswith("…")
    assert hit.snippets["text"].endswith("…")
    assert len(hit.snippets["text"]) < 250


def test_the_index_follows_updates_and_deletes(desk: Desk) -> None:
    one, two, three = desk.create("Tag", name=["alpha", "beta", "gamma"])
    assert ids(desk, "alpha") == {one}

    desk.commit(Update("Tag", [one, two], {"name": ["delta", None]}))
    desk.commit(Delete("Tag", [three]))

    assert ids(desk, "delta") == {one}
    assert ids(desk, "alpha") == ids(desk, "beta") == ids(desk, "gamma") == set()
    assert desk.sql("SELECT count(*) FROM rr_search") == [(1,)]


def test_what_is_not_text_is_not_indexed(desk: Desk) -> None:
    desk.create("Task", name=["x"], status=["done"], bid=[77], data=['"json"'])

    assert ids(desk, "done") == ids(desk, "77") == ids(desk, "json") == set()


def test_databases_are_searched_each_by_itself(desk: Desk) -> None:
    desk.room.create_database(DatabaseInfo(key="other"))
    try:
        desk.commit(*map(DefineType, STUDIO[:1]), database="other")
        [mine] = desk.create("Tag", name=["word"])

        assert ids(desk, "word") == {mine}
        assert search(desk, "word", database="other") == []
    finally:
        desk.room.drop_database("other")


def test_the_compilers_subquery_finds_the_ids_of_one_attribute(desk: Desk) -> None:
    one, two = desk.create("Task", name=["red door", "blue"], text=["x", "red door"])
    desk.catch_up()
    catalog = desk.catalog
    match = match_expression(catalog.dialect, "door re*")
    query = matches_subquery(catalog.dialect, "main.Task", "name", match)

    compiled = query.compile(dialect=catalog.sql)
    assert compiled.positiontup is not None
    rows = desk.sql(str(compiled), *(compiled.params[name] for name in compiled.positiontup))

    assert [bytes(row[0]) for row in rows] == [one]
    assert two
    assert marked(catalog.dialect, "?") in str(compiled)


def test_a_snippet_of_a_text_without_the_words_is_none() -> None:
    assert snippet("nothing here", terms("word")) is None
    assert snippet("a word", terms("word")) == "a [word]"
