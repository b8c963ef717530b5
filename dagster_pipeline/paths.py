"""Where the parts that are not Python lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

from dagster_pipeline.errors import PlumblineError

PACKAGE = Path(__file__).resolve().parent


def bundled(name: str, package: Path = PACKAGE) -> Path:
    """The path of a part that ships with Plumbline, such as ``dbt_project`` or ``report/schemas``.

    A wheel carries dbt_project, expectations and seeds under ``_bundled``; in a checkout they are siblings
    of the package. ``_bundled`` comes first, so that a stranger's ``seeds`` folder in site-packages is
    never taken for ours. Raises PlumblineError, naming the places looked at, where the part is absent.
    """
    places = (package / "_bundled" / name, package / name, package.parent / name)
    for place in places:
        if place.exists():
            return place
    looked = ", ".join(str(place) for place in places)
    raise PlumblineError(
        f"the part {name!r} of Plumbline is missing; looked at {looked}. "
        "Install Plumbline again or repair the checkout."
    )
