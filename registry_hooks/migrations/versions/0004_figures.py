"""What a fit measured, or what helps against its failure."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    """One column."""
    op.add_column("flipad_job", sa.Column("figures", sa.Text))
