from __future__ import annotations

import clique
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordroom.errors import InvalidSequence
from recordroom.files import Sequence


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("/a/f.%04d.exr [1-3, 8]", ["/a/f.0001.exr", "/a/f.0002.exr", "/a/f.0003.exr", "/a/f.0008.exr"]),
        ("f.%d.exr [9-11]", ["f.9.exr", "f.10.exr", "f.11.exr"]),
        ("f%02d [98-100]", ["f98", "f99", "f100"]),
        ("f.%04d.exr [7]", ["f.0007.exr"]),
        ("a %d b/f.%03d x.exr [1,2]", ["a %d b/f.001 x.exr", "a %d b/f.002 x.exr"]),
        ("ünï\nć/f.%04d.e [2]", ["ünï\nć/f.0002.e"]),
        ("f.%04d.exr [3, 1-2, 2]", ["f.0001.exr", "f.0002.exr", "f.0003.exr"]),
    ],
)
def test_a_sequence_names_its_files(text: str, files: list[str]) -> None:
    found = Sequence.parse(text)

    assert list(found.files()) == files
    assert len(found) == len(files)


def test_a_sequence_without_ranges_has_a_pattern_only() -> None:
    found = Sequence.parse("/a/f.%04d.exr")

    assert (found.pattern, found.indexes, found.padding) == ("/a/f.%04d.exr", (), 4)
    assert Sequence.parse("f.%d.exr [1]").pattern == "f.%d.exr"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/a/f.0001.exr", "expected"),
        ("f.%04d.exr [a-b]", "no range"),
        ("f.%04d.exr []", "no range"),
        ("f.%04d.exr [1-]", "no range"),
        ("f.%04d.exr [1,,2]", "no range"),
        ("f.%04d.exr [5-1]", "ends before"),
        ("f.%04d.exr [1-99999999999]", "the most"),
        ("f.%04d.exr [-3]", "no range"),
    ],
)
def test_what_is_no_sequence_is_said(text: str, reason: str) -> None:
    with pytest.raises(InvalidSequence, match=reason) as caught:
        Sequence.parse(text)
    assert caught.value.path == text


_TEXT = st.text(st.characters(blacklist_characters="%[]\n\0", blacklist_categories=("Cs",)), max_size=8)


@given(_TEXT, _TEXT, st.integers(0, 9), st.sets(st.integers(0, 500), min_size=1, max_size=30))
def test_what_clique_writes_is_read_as_clique_reads_it(head: str, tail: str, padding: int, indexes: set[int]) -> None:
    collection = clique.Collection(head, tail.strip(), padding, indexes)
    text = collection.format("{head}{padding}{tail} [{ranges}]")

    assert list(Sequence.parse(text).files()) == list(collection)
