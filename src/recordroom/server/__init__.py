"""The server: the whole API without HTTP, its shell on HTTP, and accounts."""
