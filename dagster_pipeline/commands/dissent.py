"""``plumbline dissent``: somebody's objection, on record."""

from __future__ import annotations

from pathlib import Path

from dagster_pipeline.config.loader import load_config
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.register.journal import DISSENT, append_entry, journal_path
from dagster_pipeline.report.escape import visible


def dissent(config_path: Path, by: str, text: str, experiment: str | None) -> None:
    """Append an objection to the journal; without an experiment it is about the only one, or about all of several.

    Raises PlumblineError where it says nothing, nobody is named or the experiment is not configured.
    """
    config = load_config(config_path)
    known = [found.id for found in config.experiments]
    if experiment is not None and experiment not in known:
        names = ", ".join(map(repr, known)) or "none"
        raise PlumblineError(f"The experiment {experiment!r} is not configured; there are: {names}.")
    if not text.strip():
        raise PlumblineError("--text says nothing: write down what the objection is.")
    about = experiment or (known[0] if len(known) == 1 else None)
    path = journal_path(config.file)
    entry = append_entry(path, kind=DISSENT, by=by, experiment=about, content={"text": text.strip()})
    print(
        f"Recorded as entry {entry.number} of {visible(path.name)}: {visible(entry.by)} dissents on "
        f"{visible(about or 'all experiments')}. The next run copies it into the decision log."
    )
