"""The command line: thin; what a command needs is imported when it runs."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from dagster_pipeline import __version__
from dagster_pipeline.errors import NotEvaluatedError, PlumblineError

CONFIG = click.option(
    "--config", "-c", "config", type=click.Path(path_type=Path, dir_okay=False), default=Path("plumbline.yml"),
    show_default=True, help="The configuration of this project.",
)  # fmt: skip
# Every command takes --config; these read what a run left and need no more than its folder.
CONFIG_UNREAD = click.option(
    "--config", "-c", "_config", type=click.Path(path_type=Path, dir_okay=False), default=Path("plumbline.yml"),
    show_default=True, expose_value=False, help="Accepted as everywhere; only the output folder is read here.",
)  # fmt: skip
OUTPUT = click.option(
    "--output", "-o", "output", type=click.Path(path_type=Path, file_okay=False), default=Path("out"),
    show_default=True, help="Folder for the files of a run.",
)  # fmt: skip
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")


class _Group(click.Group):
    """Lists commands in the order a person meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="plumbline")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(context: click.Context, debug: bool) -> None:
    """Tell whether the data can carry the decision."""
    context.obj = {"debug": debug}


@cli.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Where the demo's tables and results go.",
)
@click.option(
    "--requests", type=click.IntRange(min=100), default=40_000, show_default=True, help="Size of the world."
)
@click.option("--clean", is_flag=True, help="Without planted faults.")
@click.option("--generate-only", is_flag=True, help="Write the tables and plumbline.yml, run nothing.")
@click.pass_context
def demo(context: click.Context, /, **options: Any) -> None:
    """Make a marketplace with planted faults and run the whole line on it.

    Example: plumbline demo --requests 5000
    """
    from dagster_pipeline.commands.demo import demo as command

    command(**options, debug=context.obj["debug"])


@cli.command()
@click.option(
    "--path",
    "--config",
    "-c",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("plumbline.yml"),
    show_default=True,
    help="File to write.",
)
def init(path: Path) -> None:
    """Write a commented plumbline.yml to start from.

    Example: plumbline init --path plumbline.yml
    """
    from dagster_pipeline.commands.init import init as command

    command(path)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--path",
    "--config",
    "-c",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the proposal here instead of printing it.",
)
def discover(folder: Path, path: Path | None) -> None:
    """Propose a plumbline.yml for the tables in a folder or a DuckDB file.

    Example: plumbline discover data --path plumbline.yml
    """
    from dagster_pipeline.commands.discover import discover as command

    command(folder, path)


@cli.command()
@CONFIG
@OUTPUT
@JSON
@click.option("--quiet", "-q", is_flag=True, help="No progress and no table.")
@click.option("--readiness", is_flag=True, help="A dry run before launch: recorded, and never a GO.")
@click.option(
    "--for", "recorded_for", type=click.Path(path_type=Path, dir_okay=False),
    help="With --readiness: the configuration whose launch it is for, if another.",
)  # fmt: skip
@click.pass_context
def run(
    context: click.Context,
    config: Path,
    output: Path,
    as_json: bool,
    quiet: bool,
    readiness: bool,
    recorded_for: Path | None,
) -> None:
    """Build, check, bound and decide; write register, verdict, metrics and report.

    Ends with 0 whenever the files are written, whatever the verdict: blocking is the gate's work.

    Example: plumbline run --config plumbline.yml --output out
    """
    from dagster_pipeline.commands.run import DryRunRequest, print_outcome
    from dagster_pipeline.commands.run import run as command

    if recorded_for is not None and not readiness:
        raise click.UsageError("--for goes with --readiness.")
    dry_run = DryRunRequest(recorded_for) if readiness else None
    outcome = command(config, output, debug=context.obj["debug"], quiet=quiet or as_json, readiness=dry_run)
    if as_json:
        click.echo((output / "verdict.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        print_outcome(outcome)


@cli.command()
@CONFIG
@OUTPUT
@JSON
@click.option("--experiment", help="The experiment to decide on; default: the first.")
@click.option(
    "--stage", type=click.IntRange(1, 100), help="Allow a PARTIAL up to this rollout stage, in percent."
)
@click.option(
    "--segment",
    "segments",
    multiple=True,
    help="Allow a PARTIAL for this segment (column=value); repeatable.",
)
@click.option(
    "--max-age", help="Oldest verdict accepted, such as 24h; default: the brief's max_age, else 7d."
)
def gate(**options: Any) -> None:
    """Block a launch: 0 go, 1 blocked, 2 wrong usage, 3 could not be evaluated.

    Needs nothing but verdict.json in the output folder.

    Example: plumbline gate --output out --stage 10
    """
    from dagster_pipeline.commands.gate import gate as command

    sys.exit(command(**options))


@cli.group()
def gaps() -> None:
    """Look at the register."""


@gaps.command("list")
@CONFIG_UNREAD
@OUTPUT
@JSON
@click.option("--all", "everything", is_flag=True, help="Info and resolved ones too.")
def gaps_list(output: Path, as_json: bool, everything: bool) -> None:
    """List the gaps of the last run, worst first.

    Example: plumbline gaps list --all --json
    """
    from dagster_pipeline.commands.gaps import list_gaps

    list_gaps(output, as_json=as_json, everything=everything)


@gaps.command("show")
@click.argument("gap_id")
@CONFIG_UNREAD
@OUTPUT
@JSON
def gaps_show(gap_id: str, output: Path, as_json: bool) -> None:
    """Show one gap in full.

    Example: plumbline gaps show gap-9b51a2ab34ab
    """
    from dagster_pipeline.commands.gaps import show_gap

    show_gap(gap_id, output, as_json=as_json)


@cli.command()
@CONFIG_UNREAD
@OUTPUT
def report(output: Path) -> None:
    """Print the summary of the last run and where its report is.

    Example: plumbline report --output out
    """
    from dagster_pipeline.commands.report import report as command

    command(output)


@cli.command()
@CONFIG
@JSON
def decisions(config: Path, as_json: bool) -> None:
    """Print the decision log, newest first.

    Example: plumbline decisions --config plumbline.yml
    """
    from dagster_pipeline.commands.decisions import decisions as command

    sys.exit(command(config, as_json=as_json))


@cli.command()
@CONFIG
@click.option("--by", required=True, help="Who objects.")
@click.option("--text", required=True, help="The objection.")
@click.option("--experiment", help="The experiment it is about; default: the only one, or all.")
def dissent(config: Path, by: str, text: str, experiment: str | None) -> None:
    """Put an objection on record.

    Example: plumbline dissent --by "Ada Chen" --text "The support guardrail is too wide."
    """
    from dagster_pipeline.commands.dissent import dissent as command

    command(config, by, text, experiment)


@cli.command()
@CONFIG
@OUTPUT
def verify(config: Path, output: Path) -> None:
    """Check that decision log, journal and output are what was written: 0 whole, 3 not.

    Example: plumbline verify --config plumbline.yml --output out
    """
    from dagster_pipeline.commands.verify import verify as command

    sys.exit(command(config, output))


@cli.group()
def rollout() -> None:
    """Start the stages of a launch, and see where it stands."""


@rollout.command("start")
@CONFIG
@OUTPUT
@click.option(
    "--stage", type=click.FloatRange(0, 100, min_open=True), required=True, help="Per cent of the traffic."
)
@click.option("--by", required=True, help="Who starts it.")
@click.option("--experiment", help="The experiment launched; default: the first with a brief.")
@click.option("--force", is_flag=True, help="Start it against the rules; recorded with the reason.")
@click.option("--reason", help="Why, with --force.")
def rollout_start(
    config: Path, output: Path, stage: float, by: str, experiment: str | None, force: bool, reason: str | None
) -> None:
    """Record that a stage starts: 0 recorded, 1 not allowed.

    Example: plumbline rollout start --stage 10 --by "Ada Chen"
    """
    from dagster_pipeline.commands.rollout import start_stage

    if force != bool(reason and reason.strip()):
        raise click.UsageError("--force and --reason TEXT go together.")
    sys.exit(start_stage(config, output, experiment, stage, by, reason))


@rollout.command("show")
@CONFIG
@OUTPUT
@JSON
@click.option("--experiment", help="The experiment launched; default: the first with a brief.")
def rollout_show(config: Path, output: Path, as_json: bool, experiment: str | None) -> None:
    """Show each stage and what stands in its way.

    Example: plumbline rollout show --output out
    """
    from dagster_pipeline.commands.rollout import show_rollout

    show_rollout(config, output, experiment, as_json=as_json)


@cli.group(invoke_without_command=True)
@CONFIG
@OUTPUT
@click.option("--experiment", help="The experiment it is about; default: the only one with a brief.")
@click.option("--markdown/--html", "as_markdown", default=True, show_default=True, help="What to print.")
@click.option(
    "--write", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write both into this folder."
)
@click.option("--meeting", is_flag=True, help="The pack of the decision meeting instead.")
@click.option(
    "--length", type=click.IntRange(6, 240), default=30, show_default=True, help="Minutes the meeting has."
)
@click.pass_context
def brief(context: click.Context, /, **options: Any) -> None:
    """Print the decision brief, or the pack of the decision meeting.

    Example: plumbline brief --write out/brief
    """
    if context.invoked_subcommand is not None:
        return
    from dagster_pipeline.commands.brief import brief as command

    command(**options)


@brief.command("sign")
@click.option(
    "--config", "-c", type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration; default: the one given before `sign`.",
)  # fmt: skip
@click.option("--by", required=True, help="Who signs.")
@click.option("--experiment", help="The experiment it is about; default: the only one with a brief.")
@click.option("--note", help="Something to record with it.")
@click.pass_context
def brief_sign(
    context: click.Context, config: Path | None, by: str, experiment: str | None, note: str | None
) -> None:
    """Record who accepts the brief as it stands.

    Example: plumbline brief sign --by "Ada Chen"
    """
    from dagster_pipeline.commands.brief import sign

    given = context.parent.params if context.parent else {}
    sign(config or given["config"], by, experiment or given["experiment"], note)


@cli.command()
@CONFIG
@OUTPUT
@click.option(
    "--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port on this machine."
)
def serve(config: Path, output: Path, port: int) -> None:
    """Open the Dagster UI on this machine (loopback only).

    Example: plumbline serve --config plumbline.yml --port 3000
    """
    from dagster_pipeline.commands.serve import serve as command

    command(config, output, port)


def main() -> None:
    """Entry point: errors of ours are one message and an exit code, never a traceback (but with --debug)."""
    # Most of a short run is imports; collecting garbage in between only slows them.
    gc.disable()
    debug = "--debug" in sys.argv
    try:
        cli.main(prog_name="plumbline", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("Interrupted.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except PlumblineError as error:
        if debug:
            traceback.print_exc()
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.exceptions.Exit as ending:
        sys.exit(ending.exit_code)
    except BrokenPipeError:
        # Whoever read along has seen enough (`| head`); the interpreter must not complain at its own end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if debug:
            traceback.print_exc()
        click.echo(
            f"Internal error: {type(error).__name__}: {error}. Use --debug for the traceback.", err=True
        )
        sys.exit(NotEvaluatedError.exit_code)
