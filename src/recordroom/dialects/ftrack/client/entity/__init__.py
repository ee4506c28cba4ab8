"""Entities of the drop-in client, as classes that scripts may extend."""
