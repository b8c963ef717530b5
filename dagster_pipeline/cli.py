"""The command line: thin; what a command needs is imported when it runs."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable
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
# Written out, so that the command line needs no room of ours to be read; a test holds them to their enums.
SEVERITIES = ("blocker", "high", "medium", "low", "info")
STATUSES = ("open", "acknowledged", "accepted", "resolved")


def _known(key: str) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """Completes a value of the gaps of the last run."""

    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[Any]:
        from dagster_pipeline.commands.completion import known_values

        return known_values(key, context.params.get("output") or Path("out"), incomplete)

    return complete


def _moment(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """The value of an option that names a moment; refused where it is none."""
    from dagster_pipeline.config.problems import Refusal
    from dagster_pipeline.config.scalars import instant

    try:
        return None if value is None else instant(value).isoformat()
    except Refusal as refusal:
        raise click.BadParameter(refusal.requirement, context, option) from refusal


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
@click.option(
    "--as-of", callback=_moment, metavar="TIME",
    help="The clock of this run alone, such as 2026-10-29; a day before the last run's changes nothing of today.",
)  # fmt: skip
@click.pass_context
def run(
    context: click.Context,
    /,
    config: Path,
    output: Path,
    as_json: bool,
    quiet: bool,
    recorded_for: Path | None,
    **options: Any,
) -> None:
    """Build, check, bound and decide; write register, verdict, metrics and report.

    Ends with 0 whenever the files are written, whatever the verdict: blocking is the gate's work.

    Example: plumbline run --config plumbline.yml --output out
    """
    from dagster_pipeline.commands.run import DryRunRequest, print_outcome
    from dagster_pipeline.commands.run import run as command

    if recorded_for is not None and not options["readiness"]:
        raise click.UsageError("--for goes with --readiness.")
    options["readiness"] = DryRunRequest(recorded_for) if options["readiness"] else None
    outcome = command(config, output, debug=context.obj["debug"], quiet=quiet or as_json, **options)
    if as_json:
        click.echo((outcome.output / "verdict.json").read_text(encoding="utf-8"), nl=False)
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
    """Look at the register, and say what is done about it."""


@gaps.command("list")
@CONFIG
@OUTPUT
@JSON
@click.option("--all", "everything", is_flag=True, help="Info and resolved ones too.")
@click.option(
    "--severity", "severities", multiple=True, type=click.Choice(SEVERITIES), help="Of this severity; repeatable.",
)  # fmt: skip
@click.option(
    "--status", "statuses", multiple=True, type=click.Choice(STATUSES), help="In this state; repeatable.",
)  # fmt: skip
@click.option(
    "--kind", "kinds", multiple=True, shell_complete=_known("kind"), help="Of this kind; repeatable."
)
@click.option(
    "--table", "tables", multiple=True, shell_complete=_known("table"), help="In this source; repeatable."
)
@click.option(
    "--owner", "owners", multiple=True, shell_complete=_known("owner"), help="Owned by NAME; repeatable."
)
@click.option("--unowned", is_flag=True, help="Without an owner.")
@click.option("--late", is_flag=True, help="Not resolved in the time agreed on (triage.sla).")
def gaps_list(config: Path, output: Path, as_json: bool, **wanted: Any) -> None:
    """List the gaps, worst first, with their owners and when they are due.

    Example: plumbline gaps list --severity blocker --severity high --late
    """
    from dagster_pipeline.commands.gaps import Wanted, list_gaps

    list_gaps(config, output, as_json=as_json, wanted=Wanted(**wanted))


@gaps.command("show")
@click.argument("gap_id", shell_complete=_known("gap_id"))
@CONFIG
@OUTPUT
@JSON
def gaps_show(gap_id: str, config: Path, output: Path, as_json: bool) -> None:
    """Show one gap in full, with all that happened to it.

    Example: plumbline gaps show gap-9b51a2ab34ab
    """
    from dagster_pipeline.commands.gaps import show_gap

    show_gap(gap_id, config, output, as_json=as_json)


def _change(command: Callable[..., None]) -> Callable[..., None]:
    """What every change of a gap takes: which gaps, who says so and why."""
    options = (
        click.argument("gap_ids", nargs=-1, required=True, shell_complete=_known("gap_id")),
        CONFIG,
        OUTPUT,
        JSON,
        click.option("--by", required=True, help="Who says so."),
        click.option("--why", required=True, help="The reason; it is kept."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@gaps.command("assign")
@_change
@click.option(
    "--to", "owner", required=True, shell_complete=_known("owner"), help="Who owns the gaps from now on."
)
def gaps_assign(owner: str, **request: Any) -> None:
    """Name the owner of gaps.

    Example: plumbline gaps assign gap-9b51a2ab34ab --to "Data platform" --by "Ada Chen" --why "Their loader"
    """
    from dagster_pipeline.commands.triage import Request, assign

    assign(Request(**request), owner)


@gaps.command("acknowledge")
@_change
def gaps_acknowledge(**request: Any) -> None:
    """Say that somebody has seen gaps and looks after them.

    Example: plumbline gaps acknowledge gap-9b51a2ab34ab --by "Ada Chen" --why "Asked the loader's team"
    """
    from dagster_pipeline.commands.triage import Request, acknowledge

    acknowledge(Request(**request))


@gaps.command("accept")
@_change
@click.option("--owner", required=True, shell_complete=_known("owner"), help="Who owns the risk.")
@click.option("--approver", required=True, help="Who approves it; never the owner.")
@click.option("--expires", required=True, help="When the waiver ends: a date such as 2026-12-01, or 14d.")
@click.option("--scope", metavar="EXPERIMENT", help="The one decision it covers; default: all.")
@click.option(
    "--tolerance", type=click.FloatRange(0, 1), help="How much the gap may grow, as a share of its size; default: triage.waivers.tolerance.",
)  # fmt: skip
def gaps_accept(
    owner: str, approver: str, expires: str, scope: str | None, tolerance: float | None, **request: Any
) -> None:
    """Waive gaps for a while, at the size they have now; the verdict is decided again.

    Example: plumbline gaps accept gap-9b51a2ab34ab --owner "Ada Chen" --approver "Mo Diallo" --expires 14d --by "Ada Chen" --why "Backfill is due on Friday"
    """
    from dagster_pipeline.commands.triage import Request, Terms, accept

    accept(Request(**request), Terms(owner, approver, expires, scope, tolerance))


@gaps.command("resolve")
@_change
def gaps_resolve(**request: Any) -> None:
    """Say that gaps are gone; the verdict is decided again, and the next run opens what it still finds.

    Example: plumbline gaps resolve gap-9b51a2ab34ab --by "Ada Chen" --why "Backfilled on the 9th"
    """
    from dagster_pipeline.commands.triage import Request, resolve

    resolve(Request(**request))


@gaps.command("false-positive")
@_change
def gaps_false_positive(**request: Any) -> None:
    """Say that gaps are none: what was measured is as it should be; the verdict is decided again.

    Example: plumbline gaps false-positive gap-9b51a2ab34ab --by "Ada Chen" --why "Test traffic of ours"
    """
    from dagster_pipeline.commands.triage import Request, false_positive

    false_positive(Request(**request))


@gaps.command("reopen")
@_change
def gaps_reopen(**request: Any) -> None:
    """Take a waiver or a resolution back; the verdict is decided again.

    Example: plumbline gaps reopen gap-9b51a2ab34ab --by "Ada Chen" --why "The backfill failed"
    """
    from dagster_pipeline.commands.triage import Request, reopen

    reopen(Request(**request))


@cli.command()
@CONFIG
@OUTPUT
@JSON
def risks(config: Path, output: Path, as_json: bool) -> None:
    """Print the open gaps as a risk register.

    Example: plumbline risks --output out
    """
    from dagster_pipeline.commands.risks import risks as command

    command(config, output, as_json=as_json)


@cli.command()
@CONFIG
@OUTPUT
@JSON
def digest(config: Path, output: Path, as_json: bool) -> None:
    """Print the daily checkpoint: what blocks, what changed, what is late, what is due.

    Example: plumbline digest --config plumbline.yml --output out
    """
    from dagster_pipeline.commands.digest import digest as command

    command(config, output, as_json=as_json)


@cli.command()
@CONFIG_UNREAD
@OUTPUT
def report(output: Path) -> None:
    """Print the summary of the last run and where its report is.

    Example: plumbline report --output out
    """
    from dagster_pipeline.commands.report import report as command

    command(output)


@cli.group(invoke_without_command=True)
@CONFIG
@JSON
@click.pass_context
def decisions(context: click.Context, config: Path, as_json: bool) -> None:
    """Print the decision log, newest first, or close an action of it.

    Example: plumbline decisions --config plumbline.yml
    """
    if context.invoked_subcommand is not None:
        return
    from dagster_pipeline.commands.decisions import decisions as command

    sys.exit(command(config, as_json=as_json))


@decisions.command("close")
@click.option(
    "--config", "-c", type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration; default: the one given before `close`.",
)  # fmt: skip
@click.option("--action", required=True, help="The action, as the brief words it.")
@click.option("--by", required=True, help="Who says that it is done.")
@click.option("--experiment", help="The experiment it belongs to; needed where several have the same action.")
@click.option("--note", help="Something to record with it.")
@click.pass_context
def decisions_close(context: click.Context, /, config: Path | None, **options: Any) -> None:
    """Record that an action of a decision is done.

    Example: plumbline decisions close --action "Replay the lost events" --by "Ada Chen"
    """
    from dagster_pipeline.commands.decisions import close

    given = context.parent.params if context.parent else {}
    close(config or given["config"], **options)


@cli.group()
def outcome() -> None:
    """Record what an effect turned out to be, and hold it against the forecast."""


@outcome.command("record")
@CONFIG
@click.option("--experiment", required=True, help="The experiment that was launched.")
@click.option("--metric", required=True, help="The metric, by its name in docs/metrics.md.")
@click.option("--variant", required=True, help="The treatment that was launched.")
@click.option(
    "--value", type=float, required=True,
    help="The effect, raw and as the brief's rule has it: 0.004 is +0.4 pp of a share, -0.12 is 12% less of a time.",
)  # fmt: skip
@click.option("--source", required=True, help="Where the figure is from.")
@click.option("--by", required=True, help="Who puts it on record.")
@click.option("--on", callback=_moment, metavar="TIME", help="When it was measured; default: now.")
def outcome_record(config: Path, **options: Any) -> None:
    """Put the effect after the launch on record.

    Example: plumbline outcome record --experiment quoting_v2 --metric hire_rate_7d --variant treatment --value 0.004 --source "holdout, 4 weeks" --by "Ada Chen"
    """
    from dagster_pipeline.commands.outcome import Said, record_outcome

    record_outcome(config, Said(**options))


@outcome.command("show")
@CONFIG
@JSON
def outcome_show(config: Path, as_json: bool) -> None:
    """Show each effect after the launch beside its forecast.

    Example: plumbline outcome show --json
    """
    from dagster_pipeline.commands.outcome import show_outcomes

    show_outcomes(config, as_json=as_json)


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


@cli.group()
def alerts() -> None:
    """Look after the alert channels."""


@alerts.command("test")
@CONFIG
@click.option("--channel", required=True, help="Its name in alerts.channels.")
def alerts_test(config: Path, channel: str) -> None:
    """Send one test message to a channel: 0 delivered, 1 not.

    Example: plumbline alerts test --channel ops
    """
    from dagster_pipeline.commands.alerts import try_channel

    sys.exit(try_channel(config, channel))


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what completes commands, options and gap ids in a shell.

    Example: plumbline completion bash > ~/.plumbline-completion.bash
    """
    from dagster_pipeline.commands.completion import script

    click.echo(script(cli, shell))


@cli.group()
def export() -> None:
    """Write the last run in the formats that CI and other tools read."""


def _ci_artefact(name: str, what: str) -> None:
    """One artefact of ``plumbline export``; all of them ask the gate the same question."""

    @export.command(name, help=f"{what}\n\nExample: plumbline export {name} --output out --stage 10")
    @CONFIG
    @OUTPUT
    @click.option(
        "--to", type=click.Path(path_type=Path, dir_okay=False), help="File to write, else standard output."
    )
    @click.option("--experiment", help="Show the verdict on this experiment only; default: all.")
    @click.option("--stage", type=click.IntRange(1, 100), help="The stage asked of the gate, in percent.")
    @click.option("--segment", "segments", multiple=True, help="A segment asked of the gate; repeatable.")
    @click.option("--max-age", help="Oldest verdict accepted, as with the gate.")
    def command(**options: Any) -> None:
        from dagster_pipeline.commands.export import export as write

        sys.exit(write(name, **options))


_ci_artefact("junit", "JUnit XML: a test case per check, per criterion, and for the launch.")
_ci_artefact("sarif", "SARIF 2.1.0: a result per gap, at the line of its source.")
_ci_artefact("github", "Annotations of GitHub Actions, for the log of a step.")
_ci_artefact("azure", "Annotations of Azure Pipelines, for the log of a step.")
_ci_artefact("summary", "Markdown for the page of a job.")


@export.command("openlineage")
@CONFIG
@OUTPUT
@click.option(
    "--to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File; default: openlineage.jsonl in the output.",
)
@click.option("--namespace", help="Of the job; default: OPENLINEAGE_NAMESPACE, else plumbline.")
@click.option("--dataset-namespace", help="Of the warehouse's tables; default: the name of the engine.")
def export_openlineage(
    config: Path, output: Path, to: Path | None, namespace: str | None, dataset_namespace: str | None
) -> None:
    """Write the run as OpenLineage events, with its checks and gaps; nothing is sent: 0 complete, 3 not.

    Example: plumbline export openlineage --namespace growth
    """
    from dagster_pipeline.commands.lineage import export_openlineage as write

    sys.exit(write(config, output, to, namespace, dataset_namespace))


@cli.group("config")
def config_group() -> None:
    """Look at the configuration."""


@config_group.command("check")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@CONFIG
@click.option(
    "--without-environment", is_flag=True, help="Variables that are not set on this machine are no problem."
)
def config_check(files: tuple[Path, ...], config: Path, without_environment: bool) -> None:
    """Check that configurations can be used: 0 valid, 2 not. Reads no data.

    Example: plumbline config check plumbline.yml
    """
    from dagster_pipeline.commands.config_check import check_configs

    sys.exit(check_configs(files or (config,), with_environment=not without_environment))


@cli.group()
def contract() -> None:
    """Hand out what the data is held to as a data contract, or take one in (ODCS 3)."""


@contract.command("export")
@CONFIG
@click.option(
    "--to", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: print it."
)
def contract_export(config: Path, to: Path | None) -> None:
    """Write the suites and the mapping as a data contract of the Open Data Contract Standard.

    Example: plumbline contract export --to contract.odcs.yaml
    """
    from dagster_pipeline.commands.contract import export_contract

    export_contract(config, to)


@contract.command("import")
@click.argument("contract_file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@CONFIG
@click.option(
    "--write",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write the suites to.",
)
@click.option("--force", is_flag=True, help="Overwrite other versions of the files.")
def contract_import(contract_file: Path, config: Path, folder: Path | None, force: bool) -> None:
    """Say what a data contract asks for beyond what is run, and write it as suites.

    Example: plumbline contract import contract.odcs.yaml --write suites
    """
    from dagster_pipeline.commands.contract import read_into_suites

    read_into_suites(config, contract_file, folder, force=force)


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
