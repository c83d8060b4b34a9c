"""FastAPI with the clock, and with a health route as one would write it."""

from fastapi.responses import PlainTextResponse

from benchmarks.overload.first_line import timed_asgi
from benchmarks.peers.fastapi_async import app as fastapi


async def livez() -> str:
    """Tell that the process answers; touches no database."""
    return "alive\n"


fastapi.add_api_route("/livez", livez, response_class=PlainTextResponse)
app = timed_asgi(fastapi)
