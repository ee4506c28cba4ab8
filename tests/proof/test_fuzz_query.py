"""Random and mutated query texts: a query is answered, or refused by a named error; nothing else ever comes out."""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from recordroom.errors import Error, InvalidQuery, QuerySyntaxError, UnknownName
from recordroom.query.grammar import parse, render
from recordroom.query.request import QueryRequest
from recordroom.store.catalog import load_catalogs
from recordroom.store.compile import Window, page_statement
from recordroom.store.room import Room
from tests.proof.everything import NASTY_TEXTS, QUERIES, filling

TOKENS = [
    *{token for query in QUERIES for token in query.split()},
    "(",
    ")",
    ",",
    ".",
    "[",
    "]",
    "$x",
    "''",
    '""',
    "``",
]
CHARACTERS = string.printable + "\0\ud800\u202eßé☃\U0001f600´“"


def random_text(dice: random.Random) -> str:
    """Bytes as text, characters that mean something, or words of the language in any order."""
    match dice.randrange(3):
        case 0:
            return dice.randbytes(dice.randrange(60)).decode(dice.choice(("latin-1", "utf-16")), errors="replace")
        case 1:
            return "".join(dice.choices(CHARACTERS, k=dice.randrange(80)))
        case _:
            return dice.choice((" ", "")).join(dice.choices(TOKENS, k=dice.randrange(1, 30)))


def mutated(dice: random.Random) -> str:
    """A sound query with one to four wounds."""
    text = dice.choice(QUERIES)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        text = dice.choice(WOUNDS)(dice, text)
    return text


def place(dice: random.Random, text: str) -> int:
    return dice.randrange(len(text) + 1)


def span(dice: random.Random, text: str) -> tuple[int, int]:
    start = place(dice, text)
    return start, min(len(text), start + dice.choice((1, 1, 2, 5, 20)))


def cut(dice: random.Random, text: str) -> str:
    start, end = span(dice, text)
    return text[:start] + text[end:]


def doubled(dice: random.Random, text: str) -> str:
    start, end = span(dice, text)
    return text[:end] + text[start:end] * dice.choice((1, 1, 3, 200)) + text[end:]


def with_text(dice: random.Random, text: str) -> str:
    here = place(dice, text)
    return text[:here] + dice.choice(NASTY_TEXTS) + text[here:]


def with_word(dice: random.Random, text: str) -> str:
    words = text.split(" ")
    words[dice.randrange(len(words))] = dice.choice(TOKENS)
    return " ".join(words)


def without_word(dice: random.Random, text: str) -> str:
    words = text.split(" ")
    del words[dice.randrange(len(words))]
    return " ".join(words)


def spliced(dice: random.Random, text: str) -> str:
    other = dice.choice(QUERIES)
    return text[: place(dice, text)] + other[place(dice, other) :]


def nested(dice: random.Random, text: str) -> str:
    opening, closing = dice.choice((("(", ")"), ("not ", ""), ("not (", ")"), ("a any (", ")"), ("-", "")))
    depth = dice.choice((2, 30, 150, 3000))
    start, end = span(dice, text)
    return text[:start] + opening * depth + text[start:end] + closing * depth + text[end:]


def in_other_case(dice: random.Random, text: str) -> str:
    start, end = span(dice, text)
    return text[:start] + text[start:end].swapcase() + text[end:]


WOUNDS = (cut, cut, doubled, with_text, with_word, with_word, without_word, spliced, nested, in_other_case)


def show(what: str, outcomes: Counter[str], seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    counts = ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
    with capsys.disabled():
        print(f"\n{what}, seed {seed}: {outcomes.total()} texts: {counts}")


@pytest.mark.proof
@pytest.mark.parametrize("source", [random_text, mutated])
def test_the_parser_gives_a_tree_or_a_named_error(
    source: Callable[[random.Random], str], rounds: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)
    dice, outcomes = random.Random(seed), Counter[str]()
    for _ in range(rounds(20_000)):
        text = source(dice)
        outcomes[parsed(text)] += 1
    show(f"parser, {source.__name__}", outcomes, seed, capsys)

    assert outcomes["QuerySyntaxError"]


def parsed(text: str) -> str:
    """What came of it: `parsed`, or the name of the error. A tree is the same after being written and read again."""
    try:
        tree = parse(text)
    except InvalidQuery as error:
        assert_told_where(error, text)
        return type(error).__name__
    except Exception as error:
        raise AssertionError(f"{text!r} raised {error!r}") from error
    again = render(tree)
    assert parse(again) == tree, f"{text!r} was written again as {again!r}"
    return "parsed"


def assert_told_where(error: InvalidQuery, text: str) -> None:
    if isinstance(error, QuerySyntaxError):
        lines = text.split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        assert error.found
        assert error.expected


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    path: Path = tmp_path_factory.mktemp("fuzz") / "fuzz.room"
    with Room.open(path) as found:
        for commit in filling():
            found.commit(commit)
        yield found


@pytest.mark.proof
def test_a_room_answers_a_query_or_refuses_it_by_name(
    room: Room, rounds: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)
    dice, outcomes = random.Random(seed), Counter[str]()
    revision = room.query(QueryRequest(database="main", query=parse("Task"))).revision
    while outcomes.total() < rounds(10_000):
        text = mutated(dice)
        try:
            request = QueryRequest(database="main", query=parse(text), size=3, parameters={"least": 1, "names": ["x"]})
        except InvalidQuery:
            continue
        outcomes[answered(room, request, text)] += 1
    show("room", outcomes, seed, capsys)

    assert outcomes["answered"]
    assert room.query(QueryRequest(database="main", query=parse("Task"))).revision == revision
    assert list(room.check()) == []


def answered(room: Room, request: QueryRequest, text: str) -> str:
    try:
        page = room.query(request)
    except (InvalidQuery, UnknownName) as error:
        return type(error).__name__
    except Error as error:
        raise AssertionError(f"{text!r} raised {error!r}, which is no error of a query") from error
    except Exception as error:
        catalog = room.driver.run(load_catalogs(room.driver.dialect, None)).by_key["main"]
        fresh = page_statement(catalog, request, Window(4)).sql
        raise AssertionError(f"{text!r} raised {error!r}; made anew it is {fresh}") from error
    assert page.count <= 3
    assert {len(column) for column in page.columns.values()} <= {page.count}
    return "answered"


def test_every_sound_query_is_answered(room: Room) -> None:
    parameters = {"least": 1, "names": ["x"]}
    refused = {}
    for text in QUERIES:
        if "g/cm^3" not in text:
            try:
                room.query(QueryRequest(database="main", query=parse(text), parameters=parameters))
            except Error as error:
                refused[text] = str(error)

    assert refused == {}
