"""Two tables that are nobody's: what statements of the pool's tests are about."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"

    author_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    __tablename__ = "book"

    book_id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50), index=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.author_id"))
    last_update: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    author: Mapped[Author] = relationship(back_populates="books")
