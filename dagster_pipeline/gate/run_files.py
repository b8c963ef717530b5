"""The JSON files of a run read strictly: what is missing, cut off or can be read in two ways is not evaluated.

Standard library only, for the gate's sake.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError

AGAIN = "run `plumbline run` again"
_LARGEST = 200_000_000  # bytes; a verdict has some thousand, a register some million


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a run. Raises NotEvaluatedError where there is none that can be read."""
    content = bytes_of(path)
    if content is None:
        raise NotEvaluatedError(f"{path} does not exist; run `plumbline run` first.")
    return json_object(path, content)


def bytes_of(path: Path) -> bytes | None:
    """A file's content; None where there is none. Raises NotEvaluatedError for what is no file of a run."""
    try:
        if not path.exists():
            return None
        if not path.is_file() or path.stat().st_size > _LARGEST:
            raise NotEvaluatedError(f"{path} is not a file of a run; {AGAIN}.")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise NotEvaluatedError(f"{path} cannot be read ({error}); {AGAIN}.") from error


def json_object(path: Path, content: bytes) -> dict[str, Any]:
    """The JSON object a file's content holds. Raises NotEvaluatedError for anything else."""
    try:
        found = json.loads(
            content.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_without_repeats
        )
    except (ValueError, RecursionError) as error:
        raise NotEvaluatedError(f"{path} is corrupt ({error}); {AGAIN}.") from error
    if not isinstance(found, dict):
        raise NotEvaluatedError(f"{path} is corrupt (no JSON object); {AGAIN}.")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two equal keys a reader would take either; what can be read in two ways is not read."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found
