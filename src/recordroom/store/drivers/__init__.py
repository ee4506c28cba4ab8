"""Drivers: what runs a plan's statements. `sqlite` in the calling thread, `postgres` on pooled connections."""
