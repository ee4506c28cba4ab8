"""The locations that rooms have from the beginning, by id. The ids are those that clients of production tracking know."""

from __future__ import annotations

__all__ = ["CONNECT", "DEFAULT_PRIORITY", "ORIGIN", "PRIORITIES", "REVIEW", "REVIEW_NAMES", "SERVER", "UNMANAGED"]

# Where a file came from: paths on this machine, known to one session and never told to the room.
ORIGIN = "ce9b348f-8809-11e3-821c-20c9d081909b"
# Files that stay where they are: the room learns their paths.
UNMANAGED = "cb268ecc-8809-11e3-a7e2-20c9d081909b"
# As unmanaged, for what is made for review.
REVIEW = "cd41be70-8809-11e3-b98a-20c9d081909b"
# The room's own location.
SERVER = "3a372bde-05bc-11e4-8908-20c9d081909b"
CONNECT = "07b82a97-8cf9-11e3-9383-20c9d081909b"

# The lower, the sooner a location is picked.
PRIORITIES = {UNMANAGED: 90, ORIGIN: 100, REVIEW: 110, SERVER: 150}
DEFAULT_PRIORITY = 95

# Components with these names go to the location for review.
REVIEW_NAMES = ("ftrackreview-mp4", "ftrackreview-webm", "ftrackreview-image")
