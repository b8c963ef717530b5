"""The rooms as groups of assets, numbered so that every list of them reads in the order the data flows."""

_ROOMS = (
    "sources",
    "staging",
    "intermediate",
    "canonical",
    "metrics",
    "measured_gaps",
    "checks",
    "gaps",
    "register",
    "gate",
    "report",
    "alerts",
)
_DBT_LAYERS = {"gaps": "measured_gaps"}  # the other layers are rooms by their own name

GROUPS = {room: f"{number:02d}_{room}" for number, room in enumerate(_ROOMS, start=1)}
"""Room → asset group."""


def group_of_layer(layer: str) -> str:
    """The group of a dbt model's layer; gap models measure, and the assets of the room `gaps` judge what they measured."""
    return GROUPS[_DBT_LAYERS.get(layer, layer)]
