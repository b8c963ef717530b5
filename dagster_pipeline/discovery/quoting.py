"""Other people's names made safe for the proposal: as YAML values, as comments, as SQL identifiers."""

from __future__ import annotations

import json
import re

import yaml

_PLAIN = re.compile(r"[A-Za-z_./][\w./ -]*", re.ASCII)


def scalar(text: str, flow: bool = False) -> str:
    """Text as a YAML scalar on one line that reads back as the same text, whatever it holds."""
    if _PLAIN.fullmatch(text) and not (flow and set(text) & set("{}[],")) and _reads_back(text):
        return text
    return json.dumps(text)


def _reads_back(text: str) -> bool:
    try:
        return bool(yaml.safe_load(text) == text)
    except yaml.YAMLError:
        return False


def sql_name(name: str) -> str:
    """An identifier in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def comment(text: str) -> str:
    """Text that cannot end its comment: a line break in a name would turn what follows into live YAML."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )
