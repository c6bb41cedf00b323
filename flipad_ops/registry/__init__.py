"""MLflow in and out: generator versions, attributor versions, tags, lineage, pyfunc code.

Everything here imports MLflow; nothing below it in the library does.
"""
