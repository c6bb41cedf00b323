"""What a scan says of its coverage, its power and its ledger: a column of the jobs."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    """Scans of before say nothing."""
    op.add_column("flipad_job", sa.Column("said", sa.Text()))
