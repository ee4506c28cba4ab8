"""NOT_SET: what an attribute shows that is not loaded, where loading is switched off.

None means "no value"; NOT_SET means "not loaded". There is one NOT_SET, also after copy and pickle.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal

__all__ = ["NOT_SET", "NotSet"]


class NotSet(Enum):
    """The type of NOT_SET."""

    NOT_SET = "NOT_SET"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_SET"

    def __str__(self) -> str:
        return "NOT_SET"


NOT_SET: Final = NotSet.NOT_SET
