import time
import unicodedata

import pytest

from recordroom.query.fold import LOWERS, UPPERS, like_pattern, like_test, lower, upper


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("", "", True),
        ("", "a", False),
        ("%", "", True),
        ("%", "anything\nat all", True),
        ("_", "\n", True),
        ("_", "", False),
        ("_", "\U0001f600", True),
        ("a%", "ABC", True),
        ("%c", "abC", True),
        ("%b%", "ABC", True),
        ("a_c", "aBc", True),
        ("a_c", "ac", False),
        ("a%a", "a", False),
        ("a%a", "aa", True),
        ("%a%b%", "xaxb", True),
        ("%a%b%", "xbxa", False),
        ("%ab_", "xabab1", True),
        ("%%", "x", True),
        (r"100\%", "100%", True),
        (r"100\%", "100 %", False),
        (r"a\_c", "a_c", True),
        (r"a\_c", "abc", False),
        (r"a\\b", r"a\b", True),
        (r"a\b", r"a\b", True),
        ("a\\", "a\\", True),
        ("%.%", "ab", False),
        ("[a]", "a", False),
        ("Ä%", "äx", True),
        ("straße", "STRASSE", False),
        ("k", "\u212a", False),
        ("σ", "Σ", True),
    ],
)
def test_like(pattern: str, text: str, fits: bool) -> None:
    assert like_test(pattern)(text) is fits
    assert like_pattern(like_pattern(pattern)) == like_pattern(pattern)


def test_patterns_of_many_wildcards_are_quick() -> None:
    started = time.process_time()

    assert not like_test("%a" * 30 + "b")("a" * 20_000)
    assert time.process_time() - started < 5


def test_case_goes_character_by_character() -> None:
    assert (lower("ÄÖ İ Ω"), upper("äö ß ω")) == ("äö İ ω", "ÄÖ ß Ω")
    assert (lower("ABC"), upper("abc")) == ("abc", "ABC")
    for text in (UPPERS, LOWERS):
        assert len(lower(text)) == len(upper(text)) == len(text)
    assert lower(lower(UPPERS)) == lower(UPPERS) == LOWERS
    assert upper(upper(LOWERS)) == upper(LOWERS)


def test_the_table_is_that_of_unicode() -> None:
    """Every pair is one that Python knows too, and nothing beyond ASCII folds into it."""
    assert all(upper_case.lower() == lower_case for upper_case, lower_case in zip(UPPERS, LOWERS, strict=True))
    assert not any(character.isascii() for character in UPPERS + LOWERS)
    assert len(set(UPPERS)) == len(UPPERS)
    assert unicodedata.unidata_version >= "14"
