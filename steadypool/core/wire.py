"""What a connection goes over, and how it is kept by whoever keeps it."""

from typing import Any, Protocol


class Wire(Protocol):
    """What a connection goes over."""

    def is_quiet(self) -> bool:
        """Tell whether nothing has arrived. On an idle connection that would be the server's farewell."""

    def cut(self) -> None:
        """End the call that is in flight, from another thread."""

    def close(self) -> None:
        """Let go of it; the driver closes its own."""


class Record(Protocol):
    """An entry of a pool: a driver's connection, and a dictionary for what is known of it."""

    @property
    def dbapi_connection(self) -> Any:
        """The driver's connection, None once it is closed."""

    @property
    def info(self) -> dict[Any, Any]:
        """What is known of it, until it is closed."""

    def close(self) -> None:
        """Close it."""
