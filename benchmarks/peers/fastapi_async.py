"""FastAPI with SQLAlchemy's asyncio extension on asyncmy: a session from a dependency, as both documentations show."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse
from sqlalchemy import String, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.peers import address


class Base(DeclarativeBase):
    """What all tables derive from."""


class City(Base):
    """A city."""

    __tablename__ = "city"

    city_id: Mapped[int] = mapped_column(primary_key=True)
    city_key: Mapped[str] = mapped_column(String(150))


engine = create_async_engine(address.URL.replace("+pymysql", "+asyncmy"), connect_args=address.tls())
new_session = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Close the connections at the end."""
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def get_session() -> AsyncIterator[AsyncSession]:
    """Give a request its session."""
    async with new_session() as session:
        yield session


@app.get("/", response_class=PlainTextResponse)
async def look_up(session: Annotated[AsyncSession, Depends(get_session)], city: str = ""):
    """Answer with the id of the city of that name."""
    key = city.strip().casefold()
    find = select(City.city_id).where(City.city_key == key).order_by(City.city_id).limit(1)
    city_id = await session.scalar(find)
    if city_id is None:
        return PlainTextResponse(f'City "{city}" not found\n', 404)
    return f'City "{city}" is #{city_id}\n'
