"""Side-by-side runs of recordroom, the raw drivers and the SQLAlchemy ORM; start with `python -m benchmarks`.

`data` makes the records, `ours`, `raw` and `orm` are the contestants, `harness` times them in turn,
`jobs`, `footprint` and `growth` say what is measured, `targets` what is to be reached, `report` writes it down.
"""
