"""What makes two spellings the same name, decided here and not by four databases' collations."""

import sys
import unicodedata

MAX_NAME_LENGTH = 50
"""Characters; the width of Sakila's name columns."""

MAX_KEY_LENGTH = 150
"""Characters; case folding turns one character into three at the most (Unicode's CaseFolding.txt)."""

# Sakila writes U+00B4, keyboards ', phones U+2019, and careful writers of Polynesian names U+02BB or U+02BC.
APOSTROPHES = "'´`‘’ʻʼ"
_SAME_APOSTROPHE = str.maketrans(dict.fromkeys(APOSTROPHES, "'"))


def fold(name: str) -> str:
    """Return the key that all spellings of a name share: no case, no accents, one apostrophe, no outer blanks."""
    # The apostrophe goes first: the acute accent U+00B4 is itself an accent to some normal forms.
    plain = name.strip().translate(_SAME_APOSTROPHE)
    # Case folding undoes some compositions (İ becomes i and a dot), so accents are taken off afterwards.
    folded = plain.casefold()
    if folded.isascii():
        return folded
    letters = unicodedata.normalize("NFD", folded)
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).strip()


def first_behind(beginning: str) -> str:
    """Return where the keys that begin like this end: its last character is the next one.

    Not the last of all behind it, with which a database in latin1 refuses to compare.
    """
    following = min(ord(beginning[-1:] or "\U0010ffff") + 1, sys.maxunicode)
    # From here on come halves of characters.
    return beginning[:-1] + chr(0xE000 if following == 0xD800 else following)


SLIP_LETTERS = "abcdefghijklmnopqrstuvwxyz '-"


def one_slip_away(key: str) -> set[str]:
    """Return the keys that differ from this one near its start: a letter is too many, swapped, missing or wrong.

    At most 190, of which few are names: from 200 on MySQL and MariaDB guess how many rows so many keys have instead of
    looking. A slip further behind leaves two names neighbours in the order of the keys.
    """
    near: set[str] = set()
    for place in range(min(len(key), 8)):
        before, letter, after = key[:place], key[place], key[place + 1 :]
        near |= {before + after, before + after[:1] + letter + after[1:]}
        for other in SLIP_LETTERS if place < 3 else "":
            near |= {before + other + after, before + other + letter + after}
    return near - {key, ""}
