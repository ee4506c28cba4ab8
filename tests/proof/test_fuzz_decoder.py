"""Random and damaged bytes as requests, errors and streams: decoded, or refused by name, and nothing else."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from recordroom.errors import Error, NotUnique
from recordroom.model import wire
from recordroom.model.operations import Commit
from recordroom.query.grammar import parse
from recordroom.query.request import HistoryRequest, MembersRequest, Page, PreviewRequest, QueryRequest, SearchRequest
from recordroom.server.json_form import read_json, write_json
from tests.proof.everything import NASTY_VALUES, some_id, sound_commits
from tests.proof.test_fuzz_wire import copied, wounded

QUERY = parse(
    "select a.b, count() as n from Task where x any (y in (1, 'z')) and not (d between 1 and $p) group by a.b"
)
SOUND: list[Any] = [
    *sound_commits(),
    QueryRequest(query=QUERY, size=5, after=[1, "x", None], parameters={"p": 2.5}),
    MembersRequest(type="Task", attribute="children", owners=[some_id(1)], select=("a.b",)),
    HistoryRequest(type="Task", id=some_id(2), attribute="name", before=9),
    SearchRequest(text="some word*", types=("Task",)),
    PreviewRequest(operations=list(sound_commits()[0].operations)),
]
STREAM = b"".join(map(wire.frame, [Page(type="Task", ids=[some_id(n)], count=1) for n in range(5)])) + wire.COMPLETE
ERROR = wire.encode_error(NotUnique(type="Task", attributes=("a",), values=(some_id(1), None), entity=some_id(2)))


def damaged(dice: random.Random, data: bytes) -> bytes:
    """Some bytes of it are others, are missing or come twice."""
    found = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 8))):
        place = dice.randrange(len(found) + 1)
        match dice.randrange(4):
            case 0:
                found[place : place + 1] = bytes([dice.randrange(256)])
            case 1:
                del found[place : place + dice.choice((1, 2, 30))]
            case 2:
                found[place:place] = found[place : place + dice.choice((1, 4, 30))]
            case _:
                found[place:place] = dice.randbytes(dice.choice((1, 4, 9)))
    return bytes(found)


def requested(dice: random.Random) -> str:
    """One request, wounded as a tree or as bytes, in one of the two forms."""
    sound = dice.choice(SOUND)
    as_json = dice.random() < 0.5
    tree = copied(msgspec.to_builtins(sound, builtin_types=(bytes,)))
    if dice.random() < 0.7:
        wounded(dice, tree)
    try:
        data = write_json(tree) if as_json else msgspec.msgpack.encode(tree)
    except (TypeError, ValueError, OverflowError, RecursionError):
        data = dice.randbytes(dice.randrange(200))
    if dice.random() < 0.5:
        data = damaged(dice, data)
    read: Callable[[bytes, Any], Any] = read_json if as_json else wire.decode
    try:
        found = read(data, type(sound))
    except Error as error:
        return type(error).__name__
    assert type(found) is type(sound)
    return "decoded"


def streamed(dice: random.Random) -> str:
    frames = wire.Frames(Page)
    data = damaged(dice, STREAM)
    try:
        for start in range(0, len(data), 7):
            for page in frames.feed(data[start : start + 7]):
                assert type(page) is Page
    except Error as error:
        return f"stream: {type(error).__name__}"
    return "stream: complete" if frames.complete else "stream: not complete"


def told(dice: random.Random) -> str:
    """Whatever an answer holds, an error comes of it."""
    return f"error: {type(wire.decode_error(damaged(dice, ERROR), dice.choice((400, 500)))).__name__}"


def fuzz(count: int, seed: int) -> Counter[str]:
    dice, outcomes = random.Random(seed), Counter[str]()
    for _ in range(count):
        outcomes[dice.choice((requested, requested, requested, streamed, told))(dice)] += 1
    return outcomes


def check(outcomes: Counter[str]) -> None:
    assert {"decoded", "InvalidRequest", "stream: complete", "stream: not complete", "error: NotUnique"} <= set(
        outcomes
    )
    assert set(outcomes) - {"decoded", "InvalidRequest", "QuerySyntaxError", "InvalidQuery", "QueryTooComplex"} <= {
        name for name in outcomes if name.startswith(("stream: ", "error: "))
    }


def test_whatever_comes_is_decoded_or_refused_by_name() -> None:
    assert NASTY_VALUES
    check(fuzz(3_000, seed=20261121))


@pytest.mark.proof
def test_whatever_comes_is_decoded_or_refused_by_name_at_length(
    rounds: Callable[[int], int], capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(2**32)
    outcomes = fuzz(rounds(300_000), seed)
    with capsys.disabled():
        print(f"\ndecoder, seed {seed}: {outcomes.total()} messages: {outcomes}")

    check(outcomes)


def test_a_commit_that_was_not_damaged_is_decoded_from_both_forms() -> None:
    for commit in sound_commits():
        assert wire.decode(wire.encode(commit), Commit) == commit
