"""Text from the warehouse is hostile: made harmless here for each place it is shown in."""

from __future__ import annotations

import re
import unicodedata

_LONGEST = 300
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MARKDOWN_MARKS = re.compile(r"([\\`*\[\]~#|])|(?<!\w)_|_(?!\w)")
_SPACES = re.compile(r"\s+")
# Control, format (bidirectional overrides, zero width), surrogate, private and unassigned characters.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


def visible(text: object, longest: int = _LONGEST) -> str:
    """One line of printable characters, cut to ``longest``; what could steer a display becomes �."""
    one_line = _SPACES.sub(" ", str(text)).strip()
    shown = "".join("�" if unicodedata.category(char) in _INVISIBLE else char for char in one_line)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def csv_text(text: str) -> str:
    """A cell no spreadsheet takes for a formula; control characters but line ends are replaced."""
    kept = "".join(
        char if char in "\n\t\r" or unicodedata.category(char) not in _INVISIBLE else "�" for char in text
    )
    if kept.startswith(_FORMULA_STARTS) or kept.lstrip().startswith(_FORMULA_STARTS):
        return "'" + kept
    return kept


def markdown_text(text: object, longest: int = _LONGEST) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no links, no mentions, no table cell breaks."""
    shown = visible(text, longest)
    escaped = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _MARKDOWN_MARKS.sub(lambda found: "\\" + found.group(0), escaped)
    escaped = escaped.replace("@", "&#64;").replace("://", "&#58;//")
    return re.sub(r"\bwww\.", "www&#46;", escaped, flags=re.IGNORECASE)
