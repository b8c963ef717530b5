"""What is wrong with a configuration: where, what is required, what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_pipeline.errors import ConfigError

KeyPath = tuple[str | int, ...]
_SHOWN = 60


@dataclass(frozen=True)
class Problem:
    """One thing to correct: the key, its line (1-based; None where the file has none) and a sentence."""

    path: KeyPath
    message: str
    line: int | None = None


class Refusal(ValueError):  # noqa: N818 - a value is refused; nothing has failed
    """A value that can't be used: what is required of it, and the values allowed where they can be listed.

    ``at`` leads from the validated value to the part of it that is wrong; where that part's key is wrong
    rather than its value, ``key_at_fault`` says so.
    """

    def __init__(
        self, requirement: str, allowed: Iterable[str] = (), at: KeyPath = (), *, key_at_fault: bool = False
    ) -> None:
        super().__init__(requirement)
        self.requirement = requirement
        self.allowed = tuple(allowed)
        self.at = at
        self.key_at_fault = key_at_fault


def dotted(path: KeyPath) -> str:
    """``("brief", "criteria", 0, "metric")`` → ``brief.criteria[0].metric``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{_printable(step)}" if text else _printable(step)
    return text


def shown(value: object) -> str:
    """A value as a message may carry it: escaped, on one line, cut short."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def kind_of(value: object) -> str:
    """What a value is, in the words of someone who writes YAML."""
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a mapping",
    }
    return "nothing" if value is None else kinds.get(type(value), type(value).__name__)


def choices(word: object, allowed: Sequence[str]) -> str:
    """`` (did you mean 'x'?); allowed: x, y, z``: the near match, where there is one, and the whole list."""
    near = difflib.get_close_matches(str(word).strip().lower(), allowed, n=1, cutoff=0.6)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{meant}; allowed: {', '.join(allowed)}"


def config_error(file: Path, problems: Sequence[Problem]) -> ConfigError:
    """All problems as one error, one line each, in the order of the file."""
    ordered = sorted(problems, key=lambda problem: (problem.line or 0, dotted(problem.path)))
    return ConfigError("\n".join(dict.fromkeys(_sentence(file, problem) for problem in ordered)))


def _sentence(file: Path, problem: Problem) -> str:
    place = f"{file}, line {problem.line}" if problem.line else str(file)
    key = f"{dotted(problem.path)}: " if problem.path else ""
    return f"{place}: {key}{problem.message}"


def _printable(key: str) -> str:
    # A hostile key must not break the line or paint the terminal.
    return key if key.isprintable() and len(key) <= _SHOWN else shown(key)
