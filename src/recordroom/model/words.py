"""Words: how text is cut up for full-text search.

One tokenizer for the search index of both databases, for `matches` in memory and for snippets, so
that they agree. A word is a run of letters, digits and the marks that belong to them, after NFKC and
case folding; each ideograph and kana is a word of its own, because their scripts have no spaces.
Words are cut at 64 characters, and a text is indexed up to 900 kB of distinct words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["Term", "distinct", "holds", "spans", "terms", "words"]

LONGEST_WORD = 64
MOST_BYTES = 900_000  # a PostgreSQL tsvector takes 1 MB

_SCRIPTS_WITHOUT_SPACES = (
    (0x3041, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # ideographs
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


class _Mask(dict[int, str]):
    """What a character is: "w" part of a word, "s" a word by itself, " " neither; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if not (character.isalnum() or unicodedata.category(character) in ("Mn", "Mc")):
            found = " "
        elif any(low <= code <= high for low, high in _SCRIPTS_WITHOUT_SPACES):
            found = "s"
        else:
            found = "w"
        self[code] = found
        return found


class _Cutter(dict[int, str]):
    """What stands for a character once text is cut into words at spaces; filled as characters are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        found = self[code] = {"w": character, "s": f" {character} ", " ": " "}[_MASK[code]]
        return found


_MASK = _Mask()
_CUTTER = _Cutter()


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    # Case folding may undo the normal form and the other way round; this order is stable.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def words(text: str) -> list[str]:
    """The words of `text` in order, repeated as often as they occur."""
    folded = _folded(text)
    found = folded.translate(_CUTTER).split()
    if not text.isascii():
        # A mark without a letter before it belongs to nothing.
        found = [word for piece in found if (word := piece if piece[0].isalnum() else piece.lstrip(_marks(piece)))]
    if len(folded) > LONGEST_WORD and len(max(found, key=len, default="")) > LONGEST_WORD:
        return [word[:LONGEST_WORD] for word in found]
    return found


def _marks(word: str) -> str:
    return "".join(character for character in word if not character.isalnum())


def distinct(text: str) -> list[str]:
    """The distinct words of `text` in order of first occurrence, up to the limit of what is indexed."""
    found = list(dict.fromkeys(words(text)))
    if len(text) * 4 <= MOST_BYTES or sum(map(len, found)) * 4 <= MOST_BYTES:
        return found
    return list(_up_to_limit(found))


def _up_to_limit(found: Iterable[str]) -> Iterator[str]:
    left = MOST_BYTES
    for word in found:
        left -= len(word.encode())
        if left < 0:
            return
        yield word


class Term(NamedTuple):
    """One word that is looked for; `prefix` where only its beginning was given (`foo*`)."""

    word: str
    prefix: bool = False


def terms(text: str) -> list[Term]:
    """What `matches` looks for: every word of `text`, a star behind one standing for any ending.

    Empty where `text` has no word in it.
    """
    found: dict[Term, None] = {}
    pieces = text.split("*")
    for position, piece in enumerate(pieces):
        cut = words(piece)
        starred = bool(cut) and position < len(pieces) - 1 and _ends_in_word(piece)
        for word in cut[:-1] if starred else cut:
            found[Term(word)] = None
        if starred:
            found[Term(cut[-1], True)] = None
    return list(found)


def _ends_in_word(piece: str) -> bool:
    return not piece[-1:].isspace() and bool(words(piece[-1]))


def holds(text: str, wanted: Iterable[Term]) -> bool:
    """Whether `text` has every one of the wanted words: `matches`, in memory."""
    found = set(distinct(text))
    return all(
        any(word.startswith(term.word) for word in found) if term.prefix else term.word in found for term in wanted
    )


_WORD = re.compile(r"w+|s")


def spans(text: str, wanted: Iterable[Term]) -> list[tuple[int, int]]:
    """Where in `text` the wanted words stand, as (start, end), left to right; for snippets."""
    wanted = list(wanted)
    exact = {term.word for term in wanted if not term.prefix}
    beginnings = tuple(term.word for term in wanted if term.prefix)
    found = []
    for match in _WORD.finditer(text.translate(_MASK)):
        cut = words(text[match.start() : match.end()])
        if any(word in exact or word.startswith(beginnings) for word in cut):
            found.append(match.span())
    return found
