"""How much a name says about being one of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml

SYNONYMS = Path(__file__).with_name("synonyms.yml")

EXACT, STRONG, TYPO, WEAK = 1.0, 0.9, 0.7, 0.6
GENERIC = frozenset({"id", "at"})
_TYPO_RATIO = 0.88


@dataclass(frozen=True, eq=False)  # one object is read once; by identity it can be a cache's key
class Synonyms:
    """What synonyms.yml holds: names per source and per logical column, what a foreign key refers to."""

    sources: Mapping[str, Mapping[str, tuple[str, ...]]]
    columns: Mapping[str, Mapping[str, tuple[str, ...]]]
    alike: Mapping[str, str]
    noise: frozenset[str]
    references: Mapping[str, tuple[tuple[str, str], ...]]

    def words(self, name: str) -> tuple[str, ...]:
        """The words of a name in singular and lower case, with those that stand for each other made one."""
        return tuple(self.alike.get(word, word) for word in map(_singular, split(name)))


@lru_cache(maxsize=10_000)
def split(name: str) -> tuple[str, ...]:
    """``createdAt``, ``created-at`` and ``CREATED_AT`` give the same two words."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return tuple(word for word in re.split(r"[\W_]+", spaced.lower()) if word)


@cache
def synonyms(path: Path = SYNONYMS) -> Synonyms:
    """The vocabulary, read once."""
    raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Synonyms(
        sources=_grades(raw["sources"]),
        columns=_grades(raw["columns"]),
        alike={_singular(word): one for one, words in raw["alike"].items() for word in words},
        noise=frozenset(map(_singular, raw["noise"])),
        references={
            column: tuple(_pair(target) for target in targets)
            for column, targets in raw["references"].items()
        },
    )


@lru_cache(maxsize=100_000)
def column_score(physical: str, logical: str, relation: str, words: Synonyms) -> float:
    """0 to 1: how well a physical column's name fits a logical column.

    ``relation`` is the table's name: ``quotes.quote_price`` is a price, the table's own words say nothing.
    """
    if physical.lower() == logical:
        return EXACT
    grades = words.columns.get(logical, {"strong": (logical,), "weak": ()})
    own = frozenset(words.words(relation))
    for grade, score in (("strong", STRONG), ("weak", WEAK)):
        if any(_same(physical, known, own, words) for known in grades[grade]):
            return score
    return max((_resemblance(physical, known, words) for known in grades["strong"]), default=0.0)


@lru_cache(maxsize=10_000)
def source_score(relation: str, source: str, words: Synonyms) -> float:
    """0 to 1: how well a table's name fits a source; its last word says most (lead_requests are requests)."""
    name = _informative(relation, words)
    if name == _informative(source, words):
        return EXACT
    grades = words.sources.get(source, {"strong": (source,), "weak": ()})
    scores = [_ending(name, words.words(known), STRONG) for known in grades["strong"]]
    scores += [_ending(name, words.words(known), WEAK) for known in grades["weak"]]
    return max(scores, default=0.0)


def _informative(relation: str, words: Synonyms) -> tuple[str, ...]:
    kept = tuple(w for w in words.words(relation) if w not in words.noise and not re.fullmatch(r"v?\d+", w))
    return kept or words.words(relation)


def _ending(name: Sequence[str], known: Sequence[str], grade: float) -> float:
    if tuple(name) == tuple(known):
        return grade
    if len(name) > len(known) and tuple(name[-len(known) :]) == tuple(known):
        return grade - 0.05
    return 0.4 * grade if set(known) <= set(name) else 0.0


def _same(physical: str, known: str, own: frozenset[str], words: Synonyms) -> bool:
    left, right = frozenset(words.words(physical)), frozenset(words.words(known))
    if left == right or "".join(split(physical)) == "".join(split(known)):
        return True
    # The table's own words may be put before a column's name, but what is left must still say something.
    return left - own == right and not right <= GENERIC


def _resemblance(physical: str, known: str, words: Synonyms) -> float:
    left, right = frozenset(words.words(physical)), frozenset(words.words(known))
    if SequenceMatcher(None, "".join(split(physical)), "".join(split(known))).ratio() >= _TYPO_RATIO:
        return TYPO
    shared = left & right
    overlap = len(shared) / len(left | right) if shared - GENERIC else 0.0
    return STRONG * overlap * overlap if overlap >= 0.5 else 0.0


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def _grades(raw: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, dict[str, tuple[str, ...]]]:
    return {
        name: {grade: tuple(entry.get(grade, ())) for grade in ("strong", "weak")}
        for name, entry in raw.items()
    }


def _pair(target: str) -> tuple[str, str]:
    source, _, column = target.partition(".")
    return source, column
