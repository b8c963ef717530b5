"""``plumbline contract``: the suites and the mapping as a data contract, and a data contract as suites."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dagster_pipeline.checks.suite_files import suite_files
from dagster_pipeline.checks.suites import Suite, load_suites
from dagster_pipeline.config.loader import load_config
from dagster_pipeline.config.types import PlumblineConfig
from dagster_pipeline.errors import PlumblineError
from dagster_pipeline.exports import odcs_rules as rules
from dagster_pipeline.exports.odcs import contract_document, contract_text
from dagster_pipeline.exports.odcs_import import import_contract
from dagster_pipeline.exports.odcs_outcome import ImportedContract
from dagster_pipeline.report.escape import visible
from dagster_pipeline.report.writing import write_atomically

FRAGMENT = "plumbline-fragment.yml"
_LARGEST = 20_000_000  # bytes
_SURE = frozenset(
    {rules.NOT_NULL, rules.IN_SET, rules.ROW_COUNT, rules.UNIQUE_SHARE, rules.COMPOUND, rules.BETWEEN}
    | {rules.LENGTHS, rules.UNEXPECTED_ROWS, rules.NEWEST, "expect_column_values_to_not_be_in_set"}
)


def export_contract(config_path: Path, to: Path | None) -> None:
    """Print the contract of a configuration, or write it to a file."""
    config = load_config(config_path)
    text = contract_text(contract_document(config, load_suites(config)))
    if to is None:
        print(text, end="")
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(to, text)
    print(f"Wrote {to}.")


def read_into_suites(config_path: Path, contract: Path, folder: Path | None, *, force: bool) -> None:
    """Say what a contract comes to; with ``folder`` write its suites and the keys of plumbline.yml there.

    Raises PlumblineError for what is no contract, for a rule that can't be run, and rather than overwrite a file that
    says something else (but with ``force``).
    """
    config = load_config(config_path)
    own = suite_files(metrics=tuple(config.metrics))
    found = import_contract(_text_of(contract), config, own, str(contract))
    files = {f"{suite.name}.json": suite.text() for suite in found.suites}
    _expect_runnable(config, files)
    if found.fragment:
        files[FRAGMENT] = _header(contract) + found.fragment_text()
    if folder is not None:
        _write(folder, files, force=force)
    _tell(config, found, files, folder)


def _text_of(contract: Path) -> str:
    try:
        content = contract.read_bytes()
        if len(content) > _LARGEST:
            raise PlumblineError(f"{contract}: is larger than {_LARGEST:,} bytes; that is no contract")
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PlumblineError(f"{contract}: can't be read as text ({error})") from error


def _expect_runnable(config: PlumblineConfig, files: Mapping[str, str]) -> None:
    """Raises PlumblineError for a suite that a run would refuse."""
    if not files:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        suites = load_suites(config.model_copy(update={"suites": Path(folder)}))
        _prepare([suite for suite in suites if suite.file.is_team])


def _prepare(suites: list[Suite]) -> None:
    """Let Great Expectations make the rules it was handed as they stand; importing it costs seconds."""
    if all(check.entry.type in _SURE for suite in suites for check in suite.checks):
        return
    from dagster_pipeline.checks.validation import Validator  # noqa: PLC0415

    Validator("").prepare(suites)


def _write(folder: Path, files: Mapping[str, str], *, force: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    changed = [
        name
        for name, text in files.items()
        if (folder / name).exists() and (folder / name).read_text(encoding="utf-8", errors="replace") != text
    ]
    if changed and not force:
        raise PlumblineError(
            f"{folder} holds other versions of {', '.join(changed)}; remove them, or overwrite them with --force."
        )
    for name, text in files.items():
        write_atomically(folder / name, text)


def _header(contract: Path) -> str:
    return f"# What {visible(contract.name)} asks for and plumbline.yml does not say yet: put these keys there.\n"


def _tell(
    config: PlumblineConfig, found: ImportedContract, files: Mapping[str, str], folder: Path | None
) -> None:
    """The outcome on standard output, what is not taken over on standard error."""
    written = sum(len(suite.entries) for suite in found.suites)
    print(f"{found.already} rules run already, {written} more in {len(found.suites)} suites.")
    if folder is not None and files:
        print(f"Wrote {', '.join(str(folder / name) for name in files)}.")
    if folder is not None and found.suites and config.suites != folder.absolute():
        relative = os.path.relpath(folder.absolute(), config.directory)
        print(f"To run the suites, put into plumbline.yml:\nsuites: {visible(Path(relative).as_posix())}")
    if found.fragment:
        print(f"To be put into plumbline.yml:\n{found.fragment_text()}", end="")
    if found.left_out:
        print(f"{len(found.left_out)} not taken over:", file=sys.stderr)
    for item in found.left_out:
        print(f"  {visible(item.where, 200)}: {visible(item.why, 400)}", file=sys.stderr)
