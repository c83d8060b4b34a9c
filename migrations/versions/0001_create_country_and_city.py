"""Create country and city as Sakila has them, with INT ids and the folded key of the name."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

OPTIONS = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4", "sqlite_autoincrement": True}


def upgrade() -> None:
    op.create_table(
        "country",
        sa.Column("country_id", sa.Integer, primary_key=True),
        sa.Column("country", sa.String(50), nullable=False),
        last_update(),
        **OPTIONS,
    )
    op.create_table(
        "city",
        sa.Column("city_id", sa.Integer, primary_key=True),
        sa.Column("city", sa.String(50), nullable=False),
        sa.Column("city_key", key(), nullable=False),
        sa.Column("country_id", sa.Integer, nullable=False),
        last_update(),
        sa.ForeignKeyConstraint(
            ["country_id"], ["country.country_id"], "fk_city_country", onupdate="CASCADE", ondelete="RESTRICT"
        ),
        **OPTIONS,
    )
    op.create_index("ix_city_key", "city", ["city_key", "city_id"])
    op.create_index("ix_city_country_key", "city", ["country_id", "city_key", "city_id"])


def downgrade() -> None:
    op.drop_table("city")
    op.drop_table("country")


def key() -> sa.types.TypeEngine:
    return (
        sa.String(150)
        .with_variant(sa.String(150, collation="utf8mb4_bin"), "mysql", "mariadb")
        .with_variant(sa.String(150, collation="C"), "postgresql")
    )


def last_update() -> sa.Column:
    kind = sa.DateTime().with_variant(mysql.TIMESTAMP(), "mysql", "mariadb")
    now = "CURRENT_TIMESTAMP"
    if op.get_context().dialect.name in ("mysql", "mariadb"):
        now += " ON UPDATE CURRENT_TIMESTAMP"
    return sa.Column("last_update", kind, nullable=False, server_default=sa.text(now))
