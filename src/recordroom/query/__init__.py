"""Queries: one tree, made from text or Python, read by the SQL compiler and the in-memory evaluator."""
