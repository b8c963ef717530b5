"""Which relation is which source, and which of its columns is which logical column, with how sure we are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from dagster_pipeline.config.catalogue import ColumnSpec, SourceSpec
from dagster_pipeline.discovery.names import GENERIC, WEAK, Synonyms, column_score, source_score
from dagster_pipeline.discovery.relations import Column, Relation

SURE = 0.75  # below, a line is proposed as a comment
MARGIN = 0.10  # a guess this close to the best makes both unsure
WORTH_SHOWING = 0.35
WORTH_SHOWING_UNNAMED = 0.47  # of 0.5: nearly all columns, under our names

# How a source's confidence is made: its name, its required columns, its optional ones.
_NAME, _REQUIRED, _OPTIONAL = 0.5, 0.4, 0.1

Containment = Mapping[
    tuple[str, str, str], float
]  # (relation's address, column, logical) -> share found in the parent


@dataclass(frozen=True)
class Guess:
    """One physical column for one logical column; ``confidence`` is 0 to 1, ``why`` a few words."""

    logical: str
    physical: str
    confidence: float
    why: str


@dataclass(frozen=True)
class ColumnChoice:
    """What was found for a logical column: the guesses, best first; sure only if the first stands out."""

    spec: ColumnSpec
    guesses: tuple[Guess, ...]

    @property
    def best(self) -> Guess | None:
        """The likeliest column, if there is any."""
        return self.guesses[0] if self.guesses else None

    @property
    def is_sure(self) -> bool:
        """Whether the best guess may stand without a person's word."""
        return _stands_out([guess.confidence for guess in self.guesses])


@dataclass(frozen=True)
class SourceMatch:
    """One relation read as one source; ``named`` (0 to 1) says how well its own name fits."""

    spec: SourceSpec
    relation: Relation
    named: float
    confidence: float
    columns: tuple[ColumnChoice, ...]

    @property
    def unsure_required(self) -> tuple[ColumnChoice, ...]:
        """Required columns that nothing, or nothing certain, was found for."""
        return tuple(choice for choice in self.columns if choice.spec.required and not choice.is_sure)

    def sure(self, logical: str) -> str | None:
        """The physical column of a logical one, where it is sure."""
        for choice in self.columns:
            if choice.spec.name == logical and choice.is_sure and choice.best:
                return choice.best.physical
        return None


@dataclass(frozen=True)
class SourceChoice:
    """What was found for a source: the relations that may be it, best first."""

    spec: SourceSpec
    matches: tuple[SourceMatch, ...]

    @property
    def best(self) -> SourceMatch | None:
        """The likeliest relation, if there is any."""
        return self.matches[0] if self.matches else None

    @property
    def is_sure(self) -> bool:
        """Whether the best may stand: named for what it is, all required columns sure, and ahead."""
        best = self.best
        if best is None or best.relation.candidate.problem or best.unsure_required or best.named <= WEAK:
            return False
        return _stands_out([match.confidence for match in self.matches])


def choose(
    relations: Sequence[Relation],
    specs: Mapping[str, SourceSpec],
    words: Synonyms,
    containment: Containment | None = None,
) -> dict[str, SourceChoice]:
    """For every source the relations that may be it, best first; none that is named for another source."""
    shares = containment or {}
    scored = [match_source(r, spec, words, shares) for r in relations for spec in specs.values()]
    ranked = sorted(scored, key=lambda match: (-match.confidence, match.relation.candidate.address))
    names = _names(ranked)
    kept = [
        match
        for match in ranked
        if match.confidence >= (WORTH_SHOWING if match.named else WORTH_SHOWING_UNNAMED)
        and match.named >= names[match.relation.candidate.address] - MARGIN
    ]
    return {
        name: SourceChoice(spec, tuple(match for match in kept if match.spec.name == name))
        for name, spec in specs.items()
    }


def _names(matches: Sequence[SourceMatch]) -> dict[str, float]:
    """By relation, how well its name fits the source it fits best."""
    best: dict[str, float] = {}
    for match in matches:
        address = match.relation.candidate.address
        best[address] = max(match.named, best.get(address, 0.0))
    return best


def match_source(
    relation: Relation, spec: SourceSpec, words: Synonyms, containment: Containment
) -> SourceMatch:
    """A relation read as this source: each physical column serves one logical column, the likeliest first."""
    guesses = sorted(
        (
            guess
            for column in relation.columns
            for logical in spec.columns
            if (guess := _guess(relation, column, logical, spec.name, words, containment)).confidence > 0
        ),
        key=lambda guess: (-guess.confidence, guess.logical, guess.physical),
    )
    owner = _owners(guesses)
    columns = tuple(
        ColumnChoice(
            logical,
            tuple(
                g
                for g in guesses
                if g.logical == logical.name and owner.get(g.physical, logical.name) == logical.name
            ),
        )
        for logical in spec.columns
    )
    named = source_score(relation.candidate.name, spec.name, words)
    return SourceMatch(spec, relation, named, _confidence(named, columns), columns)


def _owners(guesses: Sequence[Guess]) -> dict[str, str]:
    """Physical columns that are surely one logical column: they are no guess for any other."""
    owner: dict[str, str] = {}
    for guess in guesses:
        if guess.confidence >= SURE and guess.logical not in owner.values():
            owner.setdefault(guess.physical, guess.logical)
    return owner


def _confidence(named: float, columns: Sequence[ColumnChoice]) -> float:
    def found(required: bool) -> float:
        asked = [choice for choice in columns if choice.spec.required is required]
        return fmean(choice.best.confidence if choice.best else 0.0 for choice in asked) if asked else 1.0

    return _NAME * named + _REQUIRED * found(required=True) + _OPTIONAL * found(required=False)


def _guess(
    relation: Relation,
    column: Column,
    logical: ColumnSpec,
    source: str,
    words: Synonyms,
    containment: Containment,
) -> Guess:
    name = column_score(column.name, logical.name, relation.candidate.name, words)
    why = ["by its name"] if name else []
    if not name and logical.role in ("key", "timestamp"):
        name = _generic(relation, column, logical, source, words)
        why = ["by its kind"] if name else []
    held = containment.get((relation.candidate.address, column.name, logical.name))
    confidence = name * _type_fits(column, logical) * _key_fits(column, logical)
    if held is not None:
        confidence, why = _with_values(confidence, held, column, why)
    return Guess(logical.name, column.name, round(min(confidence, 1.0), 2), ", ".join(why))


def _generic(relation: Relation, column: Column, logical: ColumnSpec, source: str, words: Synonyms) -> float:
    """``id`` is the key of its table, ``ts`` its time; a lone timestamp of another name is worth showing."""
    said = frozenset(words.words(column.name)) - frozenset(words.words(source))
    if logical.role == "key":
        return 0.85 if said == {"id"} else 0.0
    lone = column.is_timestamp and sum(other.is_timestamp for other in relation.columns) == 1
    if said and said <= GENERIC:
        return 0.85 if lone else 0.6
    return 0.5 if lone else 0.0


def _type_fits(column: Column, logical: ColumnSpec) -> float:
    empty = column.nulls == 1.0
    if logical.data_type == "timestamp":
        # Staging reads numbers of that size as time, but a number may just be a number.
        return 1.0 if column.is_timestamp or empty else 0.9 * (column.epochs >= 0.95)
    if logical.data_type == "double":
        return 1.0 if column.is_number or empty else 0.0
    # An identifier or a category is never a time.
    return 0.0 if column.is_timestamp and not column.is_number else 1.0


def _key_fits(column: Column, logical: ColumnSpec) -> float:
    """A key repeats now and then in messy data (that is a gap), but not as a rule."""
    if logical.role != "key" or column.distinct >= 0.9:
        return 1.0
    return 0.8 if column.distinct >= 0.5 else 0.4


def _with_values(
    confidence: float, held: float, column: Column, why: Sequence[str]
) -> tuple[float, list[str]]:
    """Values the parent lacks speak against a foreign key; values it holds speak for it.

    Unless they are plain numbers: two unrelated tables both count from 1.
    """
    said = [*why, f"{_percent(held)} of its values exist in the parent"]
    if held < 0.5:
        return confidence * 0.5, said
    if held >= 0.95 and not column.is_number:
        return max(confidence, 0.85), said
    return confidence, said


def _stands_out(confidences: Sequence[float]) -> bool:
    if not confidences or confidences[0] < SURE:
        return False
    return len(confidences) == 1 or confidences[0] - confidences[1] >= MARGIN


def _percent(share: float) -> str:
    """Whole percent; 100% is said only of all."""
    return "over 99%" if 0.995 <= share < 1 else f"{share:.0%}"
