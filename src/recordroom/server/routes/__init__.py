"""Every route, in the order of the documentation."""

from . import data, health, rooms

__all__ = ["ROUTES"]

ROUTES = (*data.ROUTES, *rooms.ROUTES, *health.ROUTES)
