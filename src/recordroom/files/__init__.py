"""Files: locations of bytes behind one interface, structures that name places in them, sequences, and blobs.

Nothing here knows of sessions or of the room's tables. obstore and clique are imported where they are used.
"""

from __future__ import annotations

from .accessor import Accessor
from .disk import DiskAccessor
from .memory import MemoryAccessor
from .opening import open_location
from .sequences import Sequence
from .structures import ById, ChunkedId, Origin, ProjectTree, Structure
from .transformers import ReplacePrefix, Transformer

__all__ = [
    "Accessor",
    "ById",
    "ChunkedId",
    "DiskAccessor",
    "MemoryAccessor",
    "Origin",
    "ProjectTree",
    "ReplacePrefix",
    "Sequence",
    "Structure",
    "Transformer",
    "open_location",
]
