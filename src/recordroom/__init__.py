"""recordroom: an open data server for structured records, scripted from Python."""
