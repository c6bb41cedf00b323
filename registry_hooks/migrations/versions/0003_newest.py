"""The newest jobs of a kind, and those that changed last in a state, without a look at the rest."""

from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    """Indexes only."""
    op.create_index("ix_flipad_job_newest", "flipad_job", ["kind", "id"])
    op.create_index("ix_flipad_job_changed", "flipad_job", ["kind", "state", "updated"])
    op.create_index("ix_flipad_told_at", "flipad_told", ["at"])
