"""The rows of a scan, on disk or in a Delta table."""
