"""What two versions of a brief do not say alike, in sentences."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SHOWN = 60  # characters of a text; of two longer ones those around the first difference
_BEFORE = 20  # how many of them stand before it
_NAMES = ("metric", "name", "what", "percent")  # the first that is there tells the items of a list apart
_ABSENT = object()


def brief_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...]:
    """Every difference between two documents of ``brief_content``, each a sentence without its full stop.

    "criteria: hire_rate_7d min_bound from −0.01 to −0.02", "the definition of hire_rate_7d changed: …". None exactly
    where the two are equal. A document that is none of ours is compared as far as it goes. What the brief says stands
    in the sentences as it was written: escape them for the place they are shown in.
    """
    found = [*_brief_changes(_part(old, "brief"), _part(new, "brief"))]
    found += _definition_changes(_part(old, "metrics"), _part(new, "metrics"))
    return tuple(found) if found or _is_same(old, new) else ("the brief was written down in another form",)


def _brief_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key in _keys(old, new):
        for change in _changes(old.get(key, _ABSENT), new.get(key, _ABSENT), ""):
            yield f"{str(key).replace('_', ' ')}: {change}"


def _definition_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Of metrics that both name: one that came or went did so with the rule that names it."""
    for name in [name for name in new if name in old]:
        if changes := [*_changes(old[name], new[name], "")]:
            yield f"the definition of {name} changed: {'; '.join(changes)}"


def _changes(old: Any, new: Any, at: str) -> Iterator[str]:
    """The differences of two values; ``at`` says where below their key they are."""
    if old is not _ABSENT and new is not _ABSENT and _is_same(old, new):
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in _keys(old, new):
            yield from _changes(old.get(key, _ABSENT), new.get(key, _ABSENT), f"{at} {key}".strip())
    elif _is_named(old) and _is_named(new):
        yield from _item_changes(old, new, at)
    elif old is _ABSENT:
        yield f"{at} added ({_excerpt(_written(new))})".strip()
    elif new is _ABSENT:
        yield f"{at} left out ({_excerpt(_written(old))})".strip()
    else:
        before, after = _pair(_written(old), _written(new))
        yield f"{at} from {before} to {after}".strip()


def _item_changes(old: Sequence[Any], new: Sequence[Any], at: str) -> Iterator[str]:
    before, after = _by_name(old), _by_name(new)
    for name in _keys(before, after):
        yield from _changes(before.get(name, _ABSENT), after.get(name, _ABSENT), f"{at} {name}".strip())
    if [*before] != [*after] and set(before) == set(after):
        yield f"{at} in another order".strip()


def _is_same(old: Any, new: Any) -> bool:
    """As the version sees it: 1, 1.0 and true are three values."""
    return json.dumps(old, sort_keys=True, default=str) == json.dumps(new, sort_keys=True, default=str)


def _keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [*dict.fromkeys([*new, *old])]


def _is_named(value: Any) -> bool:
    """Whether it is a list whose items say what they are about."""
    return isinstance(value, list) and all(
        isinstance(item, Mapping) and any(key in item for key in _NAMES) for item in value
    )


def _by_name(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The items by what they are about; the second of one name is its no. 2."""
    found: dict[str, Any] = {}
    seen: Counter[str] = Counter()
    for item in items:
        key = next(key for key in _NAMES if key in item)
        name = f"{_written(item[key])}%" if key == "percent" else _written(item[key])
        seen[name] += 1
        number = f" (no. {seen[name]})" if seen[name] > 1 else ""
        found[name + number] = {other: value for other, value in item.items() if other != key}
    return found


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_written(item)}" for key, item in value.items()) or "nothing"
    if isinstance(value, list):
        return ", ".join(map(_written, value)) or "nothing"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "yes", False: "no"}[value]
    return value if isinstance(value, str) else str(value).removesuffix(".0").replace("-", "−")


def _pair(before: str, after: str) -> tuple[str, str]:
    """Both texts; of long ones the part around the first difference."""
    if max(len(before), len(after)) <= _SHOWN:
        return before, after
    alike = (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b)
    start = max(0, next(alike, min(len(before), len(after))) - _BEFORE)
    return _excerpt(before, start), _excerpt(after, start)


def _excerpt(text: str, start: int = 0) -> str:
    end = start + _SHOWN
    return f"{'…' if start else ''}{text[start:end]}{'…' if len(text) > end else ''}"


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name) if isinstance(document, Mapping) else None
    return found if isinstance(found, Mapping) else {}
