"""Every route, in the order of the documentation."""

from . import accounts, data, health, rooms

__all__ = ["ROUTES"]

ROUTES = (*data.ROUTES, *rooms.ROUTES, *accounts.ROUTES, *health.ROUTES)
