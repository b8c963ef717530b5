"""What a configuration says, in a form that two machines agree on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from dagster_pipeline.config.own_metrics import own_name
from dagster_pipeline.config.parity import SIDES, inspection_name
from dagster_pipeline.config.types import PlumblineConfig

# The clock, and where things lie on this machine: neither is part of what was agreed.
_LOCAL = {"as_of", "directory", "file", "written"}


def content_hash(config: PlumblineConfig) -> str:
    """SHA-256 (hex) of everything that decides, for a sign-off to refer to.

    The same for the same file in another folder, on another machine, on another day; neither the order of
    keys nor defaults written out count. Sources enter as they are written, ``${NAME}`` unfilled.
    """
    content = config.model_dump(mode="json", exclude=_LOCAL, exclude_none=True, by_alias=True)
    content["warehouse"].pop("path", None)
    for name, source in content["sources"].items():
        _as_written(source, config.written.get(name))
    for name in ("parity", "own_metrics"):
        if not content[name]:
            del content[name]  # a file that names none is the one that was agreed before there were any
    for parity in content.get("parity", ()):
        for side in SIDES:
            _as_written(parity[side], config.written.get(inspection_name(parity["id"], side)))
    for metric in content.get("own_metrics", ()):
        _as_written(metric, config.written.get(own_name(metric["name"])))
    canonical = json.dumps(
        content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()


def _as_written(source: dict[str, Any], text: str | None) -> None:
    for key in ("from", "query"):
        if key in source and text is not None:
            source[key] = text
