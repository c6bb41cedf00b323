"""Versions of the hooks' database, for alembic."""
