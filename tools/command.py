"""`python tools/command.py flask …` or `alembic …`: commands that Ctrl-C ends in good order from the first moment on.

Python imports for up to a second before a command can see to that itself (app/commands/manners.py). Until then, and
after it has ended, nothing is under way: a signal is answered with a sentence and the exit code that shells give it.
"""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def end(number: int, _frame: FrameType | None) -> NoReturn:
    """Say so and be gone: an exception would be taken for one of whatever is being imported."""
    os.write(2, b"Error: interrupted; to run it again does no harm.\n")
    os._exit(128 + number)


def main(program: str, *arguments: str) -> None:
    """Be that program, called ./run in what it says of itself."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # a shell had it ignored
            signal.signal(number, end)
    sys.path[0] = os.path.dirname(sys.path[0])
    if program == "flask":
        # Settings are config.py's alone to read: Flask would take .env files of folders above, and FLASK_... variables.
        os.environ["FLASK_SKIP_DOTENV"] = "1"
        from flask.cli import cli

        cli.main(arguments, prog_name="./run", auto_envvar_prefix=None)
    else:
        from alembic.config import main as alembic

        alembic(arguments, prog="./run migrate")


if __name__ == "__main__":
    main(*sys.argv[1:])
