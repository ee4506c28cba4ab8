"""Snippets: the stretch of a text in which words were found, the words in brackets."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.words import Term, spans

__all__ = ["snippet"]

_LENGTH = 160
_BEFORE = 40
_LOOKED_AT = 100_000


def snippet(text: str, wanted: Sequence[Term]) -> str | None:
    """About 160 characters around the first of the wanted words; None where none of them stands near the beginning."""
    found = spans(text[:_LOOKED_AT], wanted)
    if not found:
        return None
    start = _word_start(text, found[0][0] - _BEFORE)
    end = _word_end(text, max(start + _LENGTH, found[0][1]))
    parts = ["…" if start else ""]
    at = start
    for left, right in found:
        if right > end:
            break
        parts += [text[at:left], "[", text[left:right], "]"]
        at = right
    parts += [text[at:end], "…" if end < len(text) else ""]
    return " ".join("".join(parts).split())


def _word_start(text: str, at: int) -> int:
    """The first place from `at` on where a word begins, within a window's slack."""
    if at <= 0:
        return 0
    space = text.find(" ", at, at + _BEFORE)
    return at if space < 0 else space + 1


def _word_end(text: str, at: int) -> int:
    if at >= len(text):
        return len(text)
    space = text.rfind(" ", at - _BEFORE, at)
    return at if space < 0 else space
