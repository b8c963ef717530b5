"""Which worlds are looked at: every fault × rate × mechanism once and more, pairs, triples, edges; each beside its clean twin.

The plan is a function of its size and one seed. A world's effects lie clearly below, at, around or clearly above what
the brief demands; faults are dealt over these regimes like cards, so that neither knows of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from benchmarks.truth.injectors import PLACES, RATES, Injection, mechanisms_of
from benchmarks.truth.simulator import TruthSpec

SEED = 20_261_122
CLEAN_WORLDS = 2_000
FAULTY_WORLDS = 1_450
DECISION_WORLDS = 200
DECISION_REQUESTS = 10_000
DECISION = "decision"
PLANTED_RATES = tuple(rate for rate in RATES if rate)
ADVERSARIAL = ("adversarial_up", "adversarial_down")
OPEN = frozenset(
    {
        ("missing_variant", "requests"),
        ("missing_values", "hires.hired_at"),
        ("missing_values", "hires.request_id"),
        ("orphan_rows", "requests/assigned"),
        ("conflicting_keys", "hires"),
        ("late_assignment", "assignments"),
    }
)
"""Places whose residual moves the hire rate: looked at once more at the edge of what they leave open."""
ALONE = frozenset({"schema_change", "not_evaluated", "pre_exposure_imbalance"})
"""Kinds that aren't combined: they take whole metrics away, or need a world made for them."""
Hand = tuple[str, tuple[Injection, ...]]


@dataclass(frozen=True)
class World:
    """One world to look at; ``twin`` is the id of the same world without its faults (a clean world is its own, a decision has none)."""

    id: str
    twin: str
    group: str
    regime: str
    spec: TruthSpec
    injections: tuple[Injection, ...]
    seed: int


@dataclass(frozen=True)
class _Regime:
    """A share of the worlds, and the effects that they have."""

    name: str
    share: float
    effects: tuple[dict[str, float], ...]


_GOOD = {"hire_effect": 0.03, "speedup": 0.35}
_REGIMES = (
    _Regime(
        "clearly failing",
        0.74,
        (
            _GOOD | {"hire_effect": -0.06},
            _GOOD | {"speedup": -0.25},
            _GOOD | {"ticket_effect": 2.0},
        ),
    ),
    _Regime("at the threshold", 0.10, (_GOOD | {"hire_effect": -0.01},)),
    _Regime(
        "around it",
        0.08,
        (_GOOD | {"hire_effect": -0.02}, _GOOD | {"hire_effect": 0.01}, _GOOD | {"hire_effect": 0.0}),
    ),
    _Regime("clearly passing", 0.08, (_GOOD, _GOOD | {"hire_effect": 0.05})),
)
_HIRE_EFFECTS = (-0.03, -0.02, -0.015, -0.01, -0.005, 0.005, 0.015, 0.03)
_RAMPS = ("none", "none", "traffic", "arm")


def planned(
    clean: int = CLEAN_WORLDS, faulty: int = FAULTY_WORLDS, decisions: int = DECISION_WORLDS, seed: int = SEED
) -> list[World]:
    """Clean worlds and the faulty ones made of them, twins next to each other; then those of the decisions."""
    generator = np.random.default_rng(seed)
    cleans = [_clean(i, seed, regime) for i, regime in enumerate(_dealt_regimes(clean, generator))]
    dealt: dict[str, list[Hand]] = {world.id: [] for world in cleans}
    with_past = [world.id for world in cleans if world.spec.unit == "customer"]
    for n, hand in enumerate(_hands(faulty, generator)):
        needs_past = any(i.kind == "pre_exposure_imbalance" for i in hand[1])
        home = with_past[n % len(with_past)] if needs_past else cleans[n % clean].id
        dealt[home].append(hand)
    worlds = [w for world in cleans for w in (world, *_faulty(world, dealt[world.id]))]
    return [*worlds, *_decisions(decisions, seed)]


def _faulty(world: World, hands: Sequence[Hand]) -> Iterator[World]:
    for n, (group, injections) in enumerate(hands):
        seed = world.seed + 1_000_003 * (n + 1)
        yield replace(world, id=f"{world.id}f{n}", group=group, injections=injections, seed=seed)


def _clean(i: int, seed: int, regime: tuple[str, dict[str, float]]) -> World:
    """Every tenth world draws customers, who have a past to be compared by.

    They get no ramp between the arms: who is assigned later has a longer past, and arms that differ in it do differ.
    """
    name, effects = regime
    has_past = i % 10 == 3
    past: dict[str, Any] = {"unit": "customer", "days_before": 14} if has_past else {}
    ramp = "traffic" if has_past else _RAMPS[i % len(_RAMPS)]
    spec = TruthSpec(seed=seed + i, ramp=ramp, heterogeneity=(i % 3) / 2, **effects, **past)
    return World(f"w{i:05}", f"w{i:05}", "clean", name, spec, (), seed + i)


def _decisions(count: int, seed: int) -> Iterator[World]:
    """Larger worlds with effects around the thresholds and one fault that leaves something open, by every mechanism."""
    generator = np.random.default_rng(seed + 1)
    faults = [
        Injection(kind, place, rate, mechanism)
        for kind, place, rate in _everywhere((0.02, 0.06))
        if (kind, place) in OPEN
        for mechanism in mechanisms_of(kind, place)
    ]
    for i in range(count):
        effects = _GOOD | {"hire_effect": _HIRE_EFFECTS[i % len(_HIRE_EFFECTS)]}
        spec = TruthSpec(seed=seed + 500_000 + i, requests=DECISION_REQUESTS, **effects)
        fault = faults[int(generator.integers(len(faults)))]
        yield World(f"d{i:05}", "", DECISION, "around the threshold", spec, (fault,), spec.seed)


def _dealt_regimes(count: int, generator: np.random.Generator) -> list[tuple[str, dict[str, float]]]:
    """As many of each regime as its share says, in random order."""
    dealt = [
        (regime.name, regime.effects[i % len(regime.effects)])
        for regime in _REGIMES
        for i in range(round(regime.share * count) + 1)
    ]
    order = generator.permutation(len(dealt))
    return (
        [dealt[i] for i in order[:count]]
        if count <= len(dealt)
        else [dealt[i % len(dealt)] for i in range(count)]
    )


def _hands(count: int, generator: np.random.Generator) -> list[Hand]:
    """Fault hands in random order: the grid of singles first and whole as far as the count goes, then pairs, triples, edges."""
    singles: list[Hand] = [("single", (injection,)) for injection in _grid()]
    edges: list[Hand] = [("edge", (injection,)) for injection in _edges()]
    rest = max(0, count - len(singles))
    many = [_some(2, generator) for _ in range(rest // 3)] + [_some(3, generator) for _ in range(rest // 6)]
    again = (edges * (rest // len(edges) + 1))[: rest - len(many)]
    hands = [*singles, *many, *again]
    return [hands[i] for i in generator.permutation(len(hands))[:count]]


def _grid() -> Iterator[Injection]:
    """Every place × rate above nothing × mechanism that means something there."""
    for kind, place, rate in _everywhere(PLANTED_RATES):
        yield from (Injection(kind, place, rate, mechanism) for mechanism in mechanisms_of(kind, place))


def _edges() -> Iterator[Injection]:
    """What leaves something open, at the very edge of it."""
    for kind, place, rate in _everywhere((0.02, 0.06, 0.18)):
        if (kind, place) in OPEN:
            yield from (Injection(kind, place, rate, mechanism) for mechanism in ADVERSARIAL)


def _everywhere(rates: Sequence[float]) -> Iterator[tuple[str, str, float]]:
    for (kind, places), rate in product(PLACES.items(), rates):
        yield from ((kind, place, rate) for place in places)


def _some(count: int, generator: np.random.Generator) -> Hand:
    """That many different kinds, each with a place, a rate and a mechanism of its own."""
    kinds = [kind for kind in PLACES if kind not in ALONE]
    chosen = [kinds[i] for i in generator.choice(len(kinds), count, replace=False)]
    return ("pair" if count == 2 else "triple"), tuple(_any_of(kind, generator) for kind in chosen)


def _any_of(kind: str, generator: np.random.Generator) -> Injection:
    place = PLACES[kind][int(generator.integers(len(PLACES[kind])))]
    mechanisms = mechanisms_of(kind, place)
    rate = PLANTED_RATES[int(generator.integers(len(PLANTED_RATES)))]
    return Injection(kind, place, rate, mechanisms[int(generator.integers(len(mechanisms)))])
