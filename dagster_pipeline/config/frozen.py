"""What every piece of plumbline.yml is once it is validated: frozen, and without a key nobody knows."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A mapping of plumbline.yml; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
