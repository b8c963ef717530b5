"""The page's two pictures: what is found at which rate, and what each way to decide costs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("svg")
# The same figures give the same file, byte for byte.
mpl.rcParams["svg.hashsalt"] = "plumbline"
_SAVED: dict[str, Any] = {
    "format": "svg",
    "metadata": {"Date": None, "Creator": None},
    "bbox_inches": "tight",
}


def write_plots(found: Mapping[str, Any], folder: Path) -> None:
    """Writes truth-recall.svg and truth-regret.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    _recall(found, folder / "truth-recall.svg")
    _regret(found, folder / "truth-regret.svg")


def _recall(found: Mapping[str, Any], path: Path) -> None:
    recall = found["recall"]
    rates = sorted({rate for _, rate in recall})
    kinds = sorted({kind for kind, _ in recall})
    grid = [
        [recall[kind, rate].found.value if (kind, rate) in recall else None for rate in rates]
        for kind in kinds
    ]
    figure, axes = plt.subplots(figsize=(6, 0.32 * len(kinds) + 1))
    shown = [[float("nan") if value is None else value for value in row] for row in grid]
    axes.imshow(shown, cmap="YlGn", vmin=0, vmax=1, aspect="auto")
    for y, row in enumerate(grid):
        for x, value in enumerate(row):
            axes.text(x, y, "" if value is None else f"{value:.0%}", ha="center", va="center", fontsize=8)
    axes.set_xticks(range(len(rates)), [f"{rate:.1%}" for rate in rates])
    axes.set_yticks(range(len(kinds)), kinds, fontsize=8)
    axes.set_xlabel("planted rate")
    axes.set_title("Planted gaps that are in the register", fontsize=10)
    figure.savefig(path, **_SAVED)
    plt.close(figure)


def _regret(found: Mapping[str, Any], path: Path) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(9, 2.8), sharex=True, sharey=True)
    titles = ("as practised", "at our share of wrong GOs")
    for axes, key, title in zip(
        panels, ("decisions_as_practised", "decisions_at_our_wrong_go"), titles, strict=True
    ):
        lines = list(reversed(found[key]))
        colours = ["#2b6cb0" if line.name == "plumbline" else "#a0aec0" for line in lines]
        axes.barh(
            [line.name for line in lines],
            [line.regret for line in lines],
            xerr=[2 * line.regret_error for line in lines],
            color=colours,
        )
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("mean regret (two standard errors)")
    figure.savefig(path, **_SAVED)
    plt.close(figure)
