"""YAML read with the line of every key.

Plain scalars follow YAML 1.2's core schema, not 1.1's: ``on``, ``off`` and ``no`` are names of arms and
columns, not booleans, and dates stay text until a type asks for a date. Keys are always text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from dagster_pipeline.config.problems import KeyPath, Problem

# libyaml is ten times as fast; its base loader leaves every plain scalar as text: we decide what it is.
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq")}
_MOST_VALUES = 50_000  # a configuration has hundreds; aliases of aliases grow without end
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,5})?")
_NAMED: dict[str, object] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_NAMED |= {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_NAMED |= {
    f"{sign}{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")
}
_NAMED |= {word: float("nan") for word in (".nan", ".NaN", ".NAN")}
_REFERENCE = re.compile(r"\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^{}]*)?\}|)")
# In {a: ${NAME}} the inner braces would end the mapping. Two characters that no text holds stand in for them
# while YAML is parsed; they are as wide as braces, so that lines and columns stay true.
_BRACED = re.compile(r"\$\{([^{}\n]*)\}")
_VEIL = "$\U0010fffe\\1\U0010ffff"
_UNVEIL = str.maketrans({"\U0010fffe": "{", "\U0010ffff": "}"})


@dataclass(frozen=True)
class Document:
    """A YAML text as plain Python values.

    ``lines`` holds the 1-based line of each key path; ``written`` the text of the scalars that read the
    environment, as they stand in the file; ``problems`` what the text itself has wrong.
    """

    data: Any
    lines: Mapping[KeyPath, int]
    written: Mapping[KeyPath, str]
    problems: tuple[Problem, ...]

    def line(self, path: KeyPath) -> int | None:
        """The line of a key, or of the nearest key above it that the file holds."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return None


def read_document(text: str, environment: Mapping[str, str]) -> Document:
    """Parses one YAML document and fills in ``${NAME}`` and ``${NAME:-default}`` from the environment.

    ``data`` is None for an empty text. Whatever is wrong is in ``problems``, each with its line.
    """
    reader = _Reader(environment)
    try:
        node = yaml.compose(_BRACED.sub(_VEIL, text), Loader=_LOADER)
        data = None if node is None else reader.value(node, ())
    except yaml.MarkedYAMLError as error:
        return Document(None, {}, {}, (_syntax_problem(error, text),))
    except yaml.YAMLError as error:
        return Document(None, {}, {}, (_unreadable_problem(error, text),))
    except RecursionError:
        return Document(None, {}, {}, (Problem((), "is nested too deeply"),))
    return Document(data, reader.lines, reader.written, tuple(reader.problems))


class _Reader:
    """Turns composed nodes into values, noting lines and problems on the way."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.lines: dict[KeyPath, int] = {}
        self.written: dict[KeyPath, str] = {}
        self.problems: list[Problem] = []
        self._open: set[int] = set()
        self._values = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self._values += 1
        if id(node) in self._open or self._values > _MOST_VALUES:
            self._refuse(path, line, "refers to itself or repeats aliases without end")
            return ""
        if node.tag not in _PLAIN_TAGS:
            tag = node.tag.translate(_UNVEIL)
            self._refuse(path, line, f"has the tag {tag!r}; tags are not read, write the plain value")
            return ""
        self._open.add(id(node))
        try:
            return self._content(node, path)
        finally:
            self._open.discard(id(node))

    def _content(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path) if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(path, line, "has a key that is not text")
                continue
            key = key_node.value.translate(_UNVEIL)
            if key in values:
                first = self.lines[(*path, key)]
                self._refuse((*path, key), line, f"is given twice (first on line {first}); keep one")
                continue
            self.lines[(*path, key)] = line
            values[key] = self.value(value_node, (*path, key))
        return values

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        text: str = node.value.translate(_UNVEIL)
        line = node.start_mark.line + 1
        if "${" in text:
            self.written[path] = text
            before = len(self.problems)
            text = _REFERENCE.sub(lambda match: self._expanded(match, path, line), text)
            if (
                len(self.problems) > before
            ):  # one is enough, and no guess at the value: it would be refused too
                del self.problems[before + 1 :]
                return self.written[path]
        return _resolved(text) if not node.style else text

    def _expanded(self, match: re.Match[str], path: KeyPath, line: int) -> str:
        name, default = match["name"], match["default"]
        if name is None:
            written = self.written[path]
            self._refuse(path, line, f"{written!r} must read ${{NAME}} or ${{NAME:-default}}, unnested")
            return ""
        found = self.environment.get(name)
        if found or (found is not None and default is None):
            return found
        if default is None:
            advice = f"set it or write ${{{name}:-a default}}"
            self._refuse(path, line, f"the environment variable {name} is not set; {advice}")
            return ""
        return str(default).removeprefix(":-")

    def _refuse(self, path: KeyPath, line: int, message: str) -> None:
        self.problems.append(Problem(path, message, line))


def _resolved(text: str) -> Any:
    if text in _NAMED:
        return _NAMED[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _syntax_problem(error: yaml.MarkedYAMLError, text: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Problem((), f"is not valid YAML: {_one_line(error)}")
    lines = text.splitlines()
    line = min(mark.line, max(len(lines) - 1, 0))
    source = lines[line] if lines else ""
    if "\t" in source[: len(source) - len(source.lstrip())]:
        return Problem((), "is indented with a tab; YAML takes blanks only", line + 1)
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return Problem((), f"is not valid YAML: {said} (column {mark.column + 1})", line + 1)


def _unreadable_problem(error: yaml.YAMLError, text: str) -> Problem:
    """libyaml says nothing of the line where a character is not allowed at all."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if found is None:
        return Problem((), f"is not valid YAML: {_one_line(error)}")
    line = text.count("\n", 0, found.start()) + 1
    return Problem((), f"holds the character {found[0]!r}, which YAML does not allow; remove it", line)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
