"""``plumbline gaps``: the register of the last run, from register.json alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dagster_pipeline.errors import NotEvaluatedError, PlumblineError
from dagster_pipeline.report.escape import visible

_LONGEST = 2_000


def list_gaps(output: Path, *, as_json: bool, everything: bool) -> None:
    """Print the open gaps above info, or with ``everything`` all of them."""
    found = [gap for gap in read_gaps(output) if everything or _matters(gap)]
    if as_json:
        print(json.dumps(found, indent=2, allow_nan=False))
        return
    for gap in found:
        place = visible(".".join(part for part in (gap["table"], gap["column"]) if part))
        print(
            f"{gap['gap_id']}  {gap['severity']:<8} {gap['status']:<12} {gap['kind']:<22} {place:<32} {_share(gap)}"
        )
    if not found:
        print("No open gap above info." if not everything else "No gap.")


def show_gap(gap_id: str, output: Path, *, as_json: bool) -> None:
    """Print one gap in full."""
    found = [gap for gap in read_gaps(output) if gap["gap_id"] == gap_id]
    if not found:
        raise PlumblineError(
            f"No gap {gap_id!r} in {output / 'register.json'}; `plumbline gaps list --all` lists them."
        )
    if as_json:
        print(json.dumps(found[0], indent=2, allow_nan=False))
        return
    for key, value in found[0].items():
        if key != "metrics":
            print(f"{key:<16} {visible(value, _LONGEST)}")
    for impact in found[0]["metrics"]:
        print(
            f"  {impact['metric']} ({visible(impact['variant'])}): {impact['direction']}, "
            f"region [{impact['lower']}, {impact['upper']}]"
        )


def read_gaps(output: Path) -> list[dict[str, Any]]:
    """The gaps of register.json. Raises NotEvaluatedError where there is none that can be read."""
    path = output / "register.json"
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["gaps"]
        _expect_gaps(found)
    except FileNotFoundError:
        raise NotEvaluatedError(f"{path} does not exist; run `plumbline run` first.") from None
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise NotEvaluatedError(f"{path} can not be read ({error}); run `plumbline run` again.") from error
    return found


_READ = ("gap_id", "kind", "table", "column", "status", "severity", "share_affected", "metrics")


def _expect_gaps(found: object) -> None:
    """Raises ValueError for what is no list of gaps."""
    if not isinstance(found, list) or any(not isinstance(g, dict) or set(_READ) - set(g) for g in found):
        raise ValueError("its gaps are not those of a register")


def _matters(gap: dict[str, Any]) -> bool:
    return bool(gap["severity"] != "info" and gap["status"] != "resolved")


def _share(gap: dict[str, Any]) -> str:
    share = gap["share_affected"]
    return "" if share is None else f"{share:.2%} affected"
