"""Sequences of numbered files, as studios write them: `head.%04d.ext [1-5, 7, 10-20]`. The only importer of clique."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidSequence, MissingExtra

__all__ = ["Sequence"]

_FORM = re.compile(r"%\d*d")
_SEQUENCE = re.compile(r"(?P<head>.*)%(?P<padding>\d*)d(?P<tail>.*?)(?P<ranges> \[(?P<inside>[^\[\]]*)\])?", re.DOTALL)
_RANGE = re.compile(r"\d+(-\d+)?")
# A slip such as [1-99999999999] shall not fill the memory.
MOST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Files that differ in a number. `padding` is how many digits it has at least; 0: as many as it needs."""

    head: str
    tail: str
    padding: int
    indexes: tuple[int, ...] = ()

    @staticmethod
    def is_one(text: str) -> bool:
        """Whether a text has the form of a sequence."""
        return _FORM.search(text) is not None

    @classmethod
    def parse(cls, text: str) -> Sequence:
        """The sequence that a text names; without ranges it has no indexes. InvalidSequence for what is none.

        >>> Sequence.parse("/shots/a.%04d.exr [1-3, 8]").indexes
        (1, 2, 3, 8)
        """
        found = _SEQUENCE.fullmatch(text)
        if found is None:
            raise InvalidSequence(path=text, reason="expected head.%04d.ext [1-5, 8]")
        _check_ranges(text, found["inside"])
        clique = _clique()
        plain = _escaped(found["head"]), _escaped(found["tail"])
        pattern = f"{plain[0]}%{found['padding']}d{plain[1]}{found['ranges'] or ''}"
        form = "{head}{padding}{tail} [{ranges}]" if found["ranges"] else "{head}{padding}{tail}"
        parsed = clique.parse(pattern, form)
        indexes = tuple(sorted(parsed.indexes))
        return cls(head=found["head"], tail=found["tail"], padding=int(parsed.padding), indexes=indexes)

    def __len__(self) -> int:
        return len(self.indexes)

    def files(self) -> Iterator[str]:
        """The paths of the files, in order of their numbers."""
        return (self.file(index) for index in self.indexes)

    def file(self, index: int) -> str:
        """The path of one file."""
        return f"{self.head}{self.number(index)}{self.tail}"

    def number(self, index: int) -> str:
        """A number as the files have it."""
        return str(index).zfill(self.padding)

    @property
    def pattern(self) -> str:
        """The sequence without its numbers: `head.%04d.ext`."""
        return f"{self.head}{form_of(self.padding)}{self.tail}"


def form_of(padding: int | None) -> str:
    """What stands for the number: `%04d`, or `%d` without padding."""
    return f"%0{padding}d" if padding else "%d"


def _check_ranges(text: str, inside: str | None) -> None:
    if inside is None:
        return
    total = 0
    for part in inside.split(","):
        part = part.strip()
        if _RANGE.fullmatch(part) is None:
            raise InvalidSequence(path=text, reason=f"{part!r} is no number and no range such as 1-5")
        first, _, last = part.partition("-")
        count = int(last or first) - int(first) + 1
        if count < 1:
            raise InvalidSequence(path=text, reason=f"the range {part!r} ends before it begins")
        total += count
    if total > MOST:
        raise InvalidSequence(path=text, reason=f"it has {total:,} files; {MOST:,} are the most")


def _escaped(text: str) -> str:
    """Without line ends, which clique's expressions do not match; the number of characters stays."""
    return text.replace("\n", "_")


def _clique() -> Any:
    try:
        import clique
    except ImportError as error:
        raise MissingExtra(package="clique", extra="files") from error
    return clique
