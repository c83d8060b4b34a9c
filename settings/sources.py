"""Where settings come from: the process's environment and, for what that does not name, the file `.env`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO

from dotenv import dotenv_values, find_dotenv
from dotenv.parser import Original, parse_stream

from settings import ROOT
from settings.problems import BadSetting, SettingsError
from settings.secrets import SECRETS, shown_setting

# With one of these in FLASK_SKIP_DOTENV the flask command reads .env files (flask.helpers.get_load_dotenv).
NOT_SKIPPED = ("", "0", "false", "no")


def from_process(names: Sequence[str]) -> dict[str, str]:
    """Return the settings of these names that are given, and for secrets perhaps NAME_FILE; raise `SettingsError`."""
    file = given(names, _env_file())
    if problems := list(_from_flask(names, file)):
        raise SettingsError(problems)
    return given(names, os.environ, above=file)


def given(
    names: Sequence[str], environ: Mapping[str, str | None], above: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return those that `environ` has, trimmed, and for those that are not given the ones that it lies `above`."""
    known = [*names, *(f"{name}_FILE" for name in SECRETS)]
    here = {name: value for name in known if (value := (environ.get(name) or "").strip())}
    # NAME hides the NAME_FILE of a lower layer and the other way round; only in one layer are both a contradiction.
    hidden = {name.removesuffix("_FILE") for name in here}
    return {name: value for name, value in (above or {}).items() if name.removesuffix("_FILE") not in hidden} | here


def _from_flask(names: Sequence[str], file: Mapping[str, str]) -> Iterator[BadSetting]:
    """Yield what the `flask` command has put into the environment from a file, unless ours says the same.

    It does so before anything of ours runs: from the nearest .env and .flaskenv upwards, with ${...} replaced.
    Nobody can tell such a value from one that was there before.
    """
    reads = os.environ.get("FLASK_RUN_FROM_CLI") and os.environ.get("FLASK_SKIP_DOTENV", "").lower() in NOT_SKIPPED
    for path in (find_dotenv(name, usecwd=True) for name in (".env", ".flaskenv") if reads):
        for name, value in given(names, dotenv_values(path, encoding="utf-8") if path else {}).items():
            if value == os.environ.get(name, "").strip() and value != file.get(name):
                remedy = "set FLASK_SKIP_DOTENV=1, or start it by ./run; settings belong into the .env beside config.py"
                reason = f"comes from {path}, as the flask command reads it"
                yield BadSetting(name, shown_setting(name, value), reason, remedy)


def _env_file() -> Mapping[str, str | None]:
    path = ROOT / ".env"
    try:
        # Some editors begin UTF-8 with a mark.
        text = path.read_text(encoding="utf-8-sig") if path.is_file() or path.is_fifo() else ""
    except (OSError, UnicodeError):
        raise SettingsError(
            [BadSetting(".env", str(path), "cannot be read", "make it a readable UTF-8 file")]
        ) from None
    # A password may hold ${...}: what is written is what is meant, and a line without sense is not passed over.
    bindings = list(parse_stream(StringIO(text)))
    if unread := [_line_of(each.original) for each in bindings if each.error]:
        remedy = "write NAME=value, and either both quotation marks or none"
        problems = [BadSetting(".env", str(path), f"has no NAME=value in line {line}", remedy) for line in unread]
        raise SettingsError(problems)
    return {each.key: each.value for each in bindings if each.key}


def _line_of(original: Original) -> int:
    """Return the line of the first word: python-dotenv counts the empty ones above to it."""
    above = original.string[: len(original.string) - len(original.string.lstrip())]
    return original.line + above.count("\n")
