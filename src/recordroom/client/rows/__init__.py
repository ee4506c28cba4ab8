"""Files of rows: importing and exporting CSV, JSON lines, Parquet and Arrow, in batches and bounded memory."""

from .exporting import export_rows
from .files import FORMATS, TextOptions
from .importing import import_rows
from .mapping import Lookup
from .report import ExportReport, ImportReport, Problem, Unresolved

__all__ = [
    "FORMATS",
    "ExportReport",
    "ImportReport",
    "Lookup",
    "Problem",
    "TextOptions",
    "Unresolved",
    "export_rows",
    "import_rows",
]
