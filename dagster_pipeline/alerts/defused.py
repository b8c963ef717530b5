"""Text of the warehouse for a chat or a mail: readable, and nothing a messenger acts on.

Messages are converted on their way (Markdown to HTML, to plain text, to a messenger's own dialect), which may undo escaping:
so what could mention somebody, be a link or be markup is replaced by characters that only look alike, not escaped.
"""

from __future__ import annotations

import html
import re

from dagster_pipeline.report.escape import markdown_text, visible

LONGEST = 200
"""Characters of one value."""

_LOOKALIKES = str.maketrans({"@": "＠", "<": "‹", ">": "›"})
_ENTITY = re.compile(r"&(?=#?\w+;)")
_ESCAPED = re.compile(r"\\([\\`*\[\]~#|_])")


def defused(text: object, longest: int = LONGEST) -> str:
    """One line of plain text without mentions, links, HTML, entities, control or bidirectional characters."""
    shown = _ENTITY.sub("＆", visible(text, longest).translate(_LOOKALIKES).replace("://", "：//"))
    return re.sub(r"\bwww\.", "www．", shown, flags=re.IGNORECASE)


def markdown(text: str, longest: int = 4_000) -> str:
    """Defused text as Markdown shows it: only backslashes are needed, which every dialect knows."""
    return markdown_text(text, longest).replace("&amp;", "&")


def defused_markdown(text: str) -> str:
    """A Markdown text of ours whose values were escaped with entities, which a conversion would bring back to life."""
    return "\n".join(
        _ENTITY.sub("＆", html.unescape(line).translate(_LOOKALIKES).replace("://", "：//"))
        for line in text.splitlines()
    )


def plain_text(text: str) -> str:
    """The same as plain text: without backslashes, emphasis and the marks of headings."""
    unmarked = re.sub(r"^#+ +", "", defused_markdown(text), flags=re.MULTILINE)
    return _ESCAPED.sub(r"\1", re.sub(r"\*\*(?=\S)(.+?)\*\*", r"\1", unmarked))
