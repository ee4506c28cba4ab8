"""The store: operations and queries as plans on SQL, and the drivers that run them on SQLite and PostgreSQL."""
