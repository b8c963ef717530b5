"""``plumbline completion``, and the values of the last register that a shell offers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.report.escape import visible

_PROGRAM = "plumbline"
_VARIABLE = "_PLUMBLINE_COMPLETE"
_MOST = 200
_WORD = re.compile(r"\w[\w.@-]*")


def script(command: click.Command, shell: str) -> str:
    """The text to be sourced by bash, zsh or fish. Raises PlumblineError where the shell is none of them or too old."""
    kind = get_completion_class(shell)
    if kind is None:
        raise PlumblineError(f"There is no completion for {shell!r}; there is for bash, zsh and fish.")
    try:
        return kind(command, {}, _PROGRAM, _VARIABLE).source()
    except RuntimeError as error:
        raise PlumblineError(f"No completion for this {shell}: {error}") from error


def known_values(key: str, output: Path, incomplete: str) -> list[CompletionItem]:
    """The values of one key among the gaps of the last run that begin as typed; none where no register can be read.

    Only words that no shell acts on: a completed value is run as it stands.
    """
    try:
        gaps = json.loads((output / "register.json").read_text(encoding="utf-8"))["gaps"]
        found = {str(gap[key]): _about(gap) if key == "gap_id" else None for gap in gaps if gap[key]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    fitting = [value for value in found if value.startswith(incomplete) and _WORD.fullmatch(value)]
    return [CompletionItem(value, help=found[value]) for value in sorted(fitting)[:_MOST]]


def _about(gap: dict[str, object]) -> str:
    place = ".".join(str(part) for part in (gap["table"], gap["column"]) if part)
    return visible(f"{gap['severity']} {gap['kind']} {place}".replace(":", " "), 80)
