"""What a connection goes over."""

from typing import Protocol


class Wire(Protocol):
    """What a connection goes over."""

    def is_quiet(self) -> bool:
        """Tell whether nothing has arrived. On an idle connection that would be the server's farewell."""

    def cut(self) -> bool:
        """End the call that is in flight, from another thread; tell whether the database goes on with it no more."""

    def close(self) -> None:
        """Let go of it; the driver closes its own."""
