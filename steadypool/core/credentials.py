"""As whom connections are made where that changes: a password that is rotated, a token that expires."""

from collections.abc import Callable
from dataclasses import dataclass


class Secret(str):
    """Text that drivers take as it is, and that no repr shows: in a traceback with variables it is `***`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """A user's name, and a password or a token; what is None is as the URL and `connect_args` say.

    Raises TypeError for what is no text.
    """

    user: str | None = None
    password: str | None = None

    def __post_init__(self) -> None:
        for name in ("user", "password"):
            if not isinstance(value := getattr(self, name), str | None):
                raise TypeError(f"{name} must be text or None, not {type(value).__name__}")
        if self.password is not None:
            object.__setattr__(self, "password", Secret(self.password))


Provider = Callable[[Credentials | None], Credentials]
"""Returns what holds now. It is called with None, or with what the server has just refused: whoever remembers an answer
asks anew then. It is called in a thread of its own, perhaps in several at once, and left there if it takes too long."""
