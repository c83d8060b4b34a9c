"""The async peer and the routes of the fault matrix: the session of the dependency, committed."""

import itertools
from typing import Annotated

from fastapi import Depends
from fastapi.responses import PlainTextResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.faults import routes
from benchmarks.peers.fastapi_async import app, engine, get_session

Session = Annotated[AsyncSession, Depends(get_session)]
orders = itertools.cycle(routes.ROWS.values())


@app.post("/visits", response_class=PlainTextResponse)
async def visit(session: Session, nonce: str):
    """Keep a visit and count it twice, in one transaction."""
    await session.execute(text(routes.INSERT), {"nonce": nonce})
    for row in next(orders):
        await session.execute(text(routes.COUNT), {"id": row})
    await session.commit()
    return f"kept {nonce}\n"


@app.get("/slow", response_class=PlainTextResponse)
async def slow(session: Session, seconds: float):
    """Run a query that takes so long."""
    await session.execute(text(routes.SLEEP), {"seconds": seconds})
    return "done\n"


@app.get("/leak", response_class=PlainTextResponse)
async def leak():
    """Borrow a connection, keep it and forget about it."""
    routes.kept.append(await engine.connect())
    return "forgotten\n"


@app.get("/clock", response_class=PlainTextResponse)
async def clock(step: float):
    """Set this process's clock forward or back."""
    routes.step_clock(step)
    return "set\n"
