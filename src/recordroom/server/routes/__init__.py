"""Every route, in the order of the documentation."""

from . import accounts, data, events, health, rooms

__all__ = ["ROUTES"]

ROUTES = (*data.ROUTES, *rooms.ROUTES, *events.ROUTES, *accounts.ROUTES, *health.ROUTES)
