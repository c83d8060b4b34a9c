"""Which characters a name may be made of, in whatever script: none that nobody sees, none that turn text round.

By Unicode's categories, control (Cc), format (Cf), halves of characters (Cs), private use (Co) and ends of lines and
paragraphs (Zl, Zp) are no part of a name; letters, marks, numbers, punctuation, symbols and blanks (Zs) are. Persian,
Indic, Mongolian and Japanese names and emoji need signs that are not seen by themselves, behind what they shape.
"""

import re
import unicodedata

_NEVER = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_LABELS = {"Cc": "<control>", "Cs": "<surrogate>", "Co": "<private use>"}

# They pass for letters, marks and symbols, and look like nothing: a joiner of accents, fillers of Hangul, implied
# vowels of Khmer, Braille without a dot. The last two stand for what could not be read.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc\ufffd"
_UNASSIGNED = "\ufff0-\ufff8\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"  # and to be ignored, whatever they become
_JOINERS = "\u200c\u200d"
_VARIANTS = "\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_LOOKED_AT = re.compile(f"[{_BLANK}{_VARIANTS}]")
_BLANKS, _JOINER, _VARIANT = (re.compile(f"[{signs}]") for signs in (_BLANK + _UNASSIGNED, _JOINERS, _VARIANTS))

# The first words of the names of characters that such signs do not shape: between these they could only deceive.
_UNSHAPED = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "GEORGIAN", "HEBREW", "HANGUL", "HIRAGANA", "KATAKANA"}
_UNSHAPED |= {"COMBINING", "MODIFIER"}
_UNJOINED = _UNSHAPED | {"CJK", "DIGIT"}
_VIRAMA = 9
"""The combining class of the signs behind which a joiner may end a word, as in Malayalam."""

NAME_PATTERN = (
    r"^[^\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\u2800\u3164\ue000-\uf8ff\ufeff\uffa0\ufff0-\uffff]*$"
)
"""What a regular expression can say of that: those that are wrong wherever they stand, as far as all engines know."""


def unfit(name: str) -> str | None:
    """Return the first character that has no place in a name, or not where it stands; None if all are well."""
    if name.isprintable() and not _LOOKED_AT.search(name):  # nearly all
        return None
    around = f" {name} "
    places = enumerate(name)
    return next((each for place, each in places if not _fits(around[place], each, around[place + 2])), None)


def shown_code(character: str) -> str:
    """Return how people may look a character up that they cannot see: U+200B ZERO WIDTH SPACE."""
    label = _LABELS.get(unicodedata.category(character), "<not a character>")
    return f"U+{ord(character):04X} {unicodedata.name(character, label)}"


def _fits(before: str, character: str, after: str) -> bool:
    if _VARIANT.match(character):
        return _is_seen(before) and _script(before) not in _UNSHAPED
    if _JOINER.match(character):
        is_inside = _is_seen(after) or unicodedata.combining(before) == _VIRAMA
        return is_inside and (_VARIANT.match(before) is not None or _is_joined(before))
    return unicodedata.category(character) not in _NEVER and not _BLANKS.match(character) and not _is_none(character)


def _is_joined(character: str) -> bool:
    return _is_seen(character) and _script(character) not in _UNJOINED


def _is_seen(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMNPS" and not _LOOKED_AT.match(character)


def _script(character: str) -> str:
    return unicodedata.name(character, "").partition(" ")[0]


def _is_none(character: str) -> bool:
    """Tell whether Unicode has promised that this is no character and never will be one."""
    code = ord(character)
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
