"""As whom an engine connects, where a provider is asked for that each time."""

from typing import Any

from sqlalchemy import Engine, exc

from steadypool.core import deadline
from steadypool.core.credentials import Credentials, Provider
from steadypool.drivers.opening import connect_seconds, in_time

MARKS = "user?", "password?"


class Login:
    """Listens to `do_connect`, and has a connection made with the credentials of the moment.

    Raises ValueError for a database or a driver that has no arguments for them.
    """

    def __init__(self, engine: Engine, provider: Provider) -> None:
        self._provider, self._dbapi = provider, engine.dialect.loaded_dbapi
        self._user, self._password = _names_of_arguments(engine)

    def __call__(self, _dialect: object, _record: object, _positional: object, arguments: dict[str, Any]) -> None:
        """Put user and password among the arguments; raise the driver's OperationalError where there are none."""
        arguments |= self._ask(None, arguments)

    def other_than(self, refused: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments that are others by now than those of a login that was refused; empty if none is."""
        user, password = (_text(refused.get(name)) for name in (self._user, self._password))
        asked = self._ask(Credentials(user=user, password=password), refused)
        return asked if any(refused.get(name) != value for name, value in asked.items()) else {}

    def _ask(self, refused: Credentials | None, arguments: dict[str, Any]) -> dict[str, Any]:
        seconds = deadline.seconds_for(connect_seconds(arguments))
        try:
            given = in_time(lambda: self._provider(refused), lambda _: None, seconds, "no answer")
            if not isinstance(given, Credentials):
                raise TypeError(f"it returned {type(given).__name__}, not Credentials")
        except Exception as error:
            said = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise self._dbapi.OperationalError(f"the provider of credentials failed: {said}") from error
        asked = {self._user: given.user, self._password: given.password}
        return {name: value for name, value in asked.items() if value is not None}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None  # another listener may have put something else there


def _names_of_arguments(engine: Engine) -> tuple[str, str]:
    """Return what the driver calls user and password."""
    user, password = MARKS
    try:
        _, arguments = engine.dialect.create_connect_args(engine.url.set(username=user, password=password))
        names = {value: name for name, value in arguments.items() if value in MARKS}
        return names[user], names[password]
    except (exc.ArgumentError, KeyError):
        raise ValueError(f"credentials are given, and {engine.url.drivername} has no arguments for them") from None
