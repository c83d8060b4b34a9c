"""Create idempotency_key: what was answered to a write, for whoever repeats it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

OPTIONS = {
    f"{family}_{name}": value
    for family in ("mysql", "mariadb")
    for name, value in (("engine", "InnoDB"), ("charset", "utf8mb4"))
}


def upgrade() -> None:
    drop_what_was_begun()
    op.create_table(
        "idempotency_key",
        sa.Column("key_hash", sa.String(64), primary_key=True),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        **OPTIONS,
    )
    op.create_index("ix_idempotency_key_expires_at", "idempotency_key", ["expires_at"])


def drop_what_was_begun() -> None:
    """Drop the empty table that an interruption left where each DDL statement is committed at once."""
    connection = op.get_bind()
    there = sa.inspect(connection)
    if there.has_table("idempotency_key") and "key_hash" in {
        column["name"] for column in there.get_columns("idempotency_key")
    }:
        row = sa.select(sa.literal(1)).select_from(sa.table("idempotency_key")).limit(1)
        if connection.execute(row).first() is None:
            op.drop_table("idempotency_key")


def downgrade() -> None:
    op.drop_table("idempotency_key")
