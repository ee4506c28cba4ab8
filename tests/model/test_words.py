from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordroom.model import words
from recordroom.model.words import Term, distinct, holds, spans, terms


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("  ...!?  ", []),
        ("Hello, World", ["hello", "world"]),
        ("don't snake_case a-b", ["don", "t", "snake", "case", "a", "b"]),
        ("Zoë ZOË zoe\u0308", ["zoë", "zoë", "zoë"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("ﬁne Ⅷ ½", ["fine", "viii", "1", "2"]),
        ("x1 42 3.14", ["x1", "42", "3", "14"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("مرحبا שלום", ["مرحبا", "שלום"]),
        ("a\tb\nc\u00a0d", ["a", "b", "c", "d"]),
        ("l" * 100, ["l" * 64]),
        ("ﬃ" * 40, [("ffi" * 40)[:64]]),
    ],
)
def test_text_is_cut_into_words(text: str, found: list[str]) -> None:
    assert words.words(text) == found


def test_a_star_behind_a_word_stands_for_any_ending() -> None:
    assert terms("foo ba* *x a*b c * **") == [
        Term("foo"),
        Term("ba", True),
        Term("x"),
        Term("a", True),
        Term("b"),
        Term("c"),
    ]
    assert terms("foo foo FOO") == [Term("foo")]
    assert terms("... * !") == []


@pytest.mark.parametrize(
    ("text", "wanted", "answer"),
    [
        ("Foo bar baz", "bar foo", True),
        ("Foo bar baz", "foo qux", False),
        ("Foo bar baz", "ba*", True),
        ("Foo bar baz", "ba", False),
        ("Foo bar baz", "x*", False),
        ("東京", "京", True),
        ("Straße", "STRASSE", True),
        ("l" * 100, "l" * 80, True),
    ],
)
def test_every_word_must_be_there(text: str, wanted: str, answer: bool) -> None:
    assert holds(text, terms(wanted)) is answer


def test_words_are_found_where_they_stand() -> None:
    text = "Foo-bar 東京, Straße foobar"

    found = [text[start:end] for start, end in spans(text, terms("bar 京 strasse foo*"))]

    assert found == ["Foo", "bar", "京", "Straße", "foobar"]


def test_very_long_texts_are_indexed_up_to_a_limit() -> None:
    text = " ".join(f"word{n:08}" for n in range(200_000))

    found = distinct(text)

    assert 70_000 < len(found) < 80_000
    assert sum(map(len, found)) <= words.MOST_BYTES
    assert holds(text, terms("word00000000"))
    assert not holds(text, terms("word00199999"))


@given(st.text())
def test_words_have_nothing_but_letters_digits_and_marks_and_are_stable(text: str) -> None:
    cut = words.words(text)

    assert words.words(" ".join(cut)) == cut
    assert all(word and not word.isspace() and "'" not in word and '"' not in word for word in cut)


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_a_text_holds_its_own_words_and_shows_them(text: str) -> None:
    wanted = terms(text.replace("*", " "))

    assert holds(text, wanted)
    assert bool(spans(text, wanted)) == bool(wanted)
