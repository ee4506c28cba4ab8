"""Every route, in the order of the documentation."""

from . import accounts, data, documents, events, files, health, pages, rooms, webhooks

__all__ = ["ROUTES"]

ROUTES = (
    *data.ROUTES,
    *rooms.ROUTES,
    *files.ROUTES,
    *events.ROUTES,
    *webhooks.ROUTES,
    *accounts.ROUTES,
    *pages.ROUTES,
    *health.ROUTES,
    *documents.ROUTES,
)
