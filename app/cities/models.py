"""Sakila's country and city tables, under their own names, and the folded key that the lookup uses."""

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Index, String, func, text
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.cities.names import MAX_KEY_LENGTH, MAX_NAME_LENGTH
from app.extensions import Model

OPTIONS = {
    "mysql_charset": "utf8mb4",
    "mariadb_charset": "utf8mb4",
    "sqlite_autoincrement": True,  # the others never give an id out again by themselves
}

# Compared byte by byte on every database: the fold has already decided what is equal.
Key = (
    String(MAX_KEY_LENGTH)
    .with_variant(String(MAX_KEY_LENGTH, collation="utf8mb4_bin"), "mysql", "mariadb")
    .with_variant(String(MAX_KEY_LENGTH, collation="C"), "postgresql")
)
Timestamp = DateTime().with_variant(mysql.TIMESTAMP(), "mysql", "mariadb")
NOW = text("CURRENT_TIMESTAMP")


class Country(Model):
    """A country with its cities."""

    __tablename__ = "country"
    __table_args__ = OPTIONS

    country_id: Mapped[int] = mapped_column(primary_key=True)
    country: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    last_update: Mapped[datetime] = mapped_column(Timestamp, server_default=NOW, onupdate=func.now())

    cities: Mapped[list["City"]] = relationship(back_populates="country")


class City(Model):
    """A city; names are not unique, there are two Londons."""

    __tablename__ = "city"
    __table_args__ = (
        Index("ix_city_key", "city_key", "city_id"),
        Index("ix_city_country_key", "country_id", "city_key", "city_id"),
        OPTIONS,
    )

    city_id: Mapped[int] = mapped_column(primary_key=True)  # INT; Sakila's own SMALLINT ends at 65,535 cities
    city: Mapped[str] = mapped_column(String(MAX_NAME_LENGTH))
    city_key: Mapped[str] = mapped_column(Key)
    country_id: Mapped[int] = mapped_column(
        ForeignKey("country.country_id", ondelete="RESTRICT", onupdate="CASCADE", name="fk_city_country")
    )
    last_update: Mapped[datetime] = mapped_column(Timestamp, server_default=NOW, onupdate=func.now())

    country: Mapped[Country] = relationship(back_populates="cities")
