"""The commented plumbline.yml that ``plumbline init`` writes."""

from __future__ import annotations

from dagster_pipeline.paths import PACKAGE


def starter_text() -> str:
    """A configuration that loads as it is, with every optional key in it behind ``#``.

    A ``#`` directly before a key takes that key out; a ``#`` and a blank is a remark.
    """
    return (PACKAGE / "config" / "starter.yml").read_text(encoding="utf-8")
