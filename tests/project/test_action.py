"""The GitHub Action: its file is valid, inputs never become code, and its steps do what they say, run one by one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from lxml import etree
from pre_commit.clientlib import load_manifest

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS = ACTION["runs"]["steps"]
# SchemaStore's schema of action.yml (github.com/SchemaStore/schemastore, Apache-2.0).
SCHEMA = ROOT / "tests" / "exports" / "schemas" / "github-actions.json"
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass
class Job:
    """What GitHub would give a composite action: a checkout, a temporary folder, the files that commands are written to."""

    folder: Path
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    log: str = ""
    failed: list[str] = field(default_factory=list)

    def input(self, name: str) -> str:
        assert name in ACTION["inputs"], f"{name} is no input"
        return self.inputs.get(name, ACTION["inputs"][name]["default"])

    def value(self, text: str) -> str:
        """A text with its expressions put in."""
        return _EXPRESSION.sub(lambda found: self._looked_up(found[1]), text)

    def _looked_up(self, expression: str) -> str:
        context, _, name = expression.partition(".")
        if context == "inputs":
            return self.input(name)
        assert context == "steps", expression
        step, _, output = name.partition(".outputs.")
        return self.outputs.get(step, {}).get(output, "")

    def wanted(self, step: dict[str, Any]) -> bool:
        """Whether a step runs, by the two forms of condition the action has."""
        condition = step.get("if", "success()")
        if condition == "always()":
            return True
        if condition == "success()":
            return not self.failed
        name, wanted = re.fullmatch(r"inputs\.([\w-]+) == '(\w+)'", condition).groups()
        return self.input(name) == wanted and not self.failed

    def run(self, *names: str) -> Job:
        """The steps of these names (none: all) in order, each with the shell GitHub uses for ``shell: bash``."""
        for step in STEPS:
            if self.wanted(step) and (not names or step["name"] in names):
                assert "run" in step, "a step of somebody else's, which can't be run here"
                self._run(step)
        return self

    def _run(self, step: dict[str, Any]) -> None:
        script, written = self.folder / "step.sh", self.folder / "output.txt"
        script.write_text(step["run"], encoding="utf-8")
        written.write_text("", encoding="utf-8")
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        there = self._environment(written) | {
            key: self.value(text) for key, text in step.get("env", {}).items()
        }
        done = subprocess.run(
            command, cwd=self.folder / "checkout", env=there, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=600, check=False,
        )  # fmt: skip
        self.log += done.stdout
        pairs = (line.split("=", 1) for line in written.read_text("utf-8").splitlines())
        self.outputs[step.get("id", step["name"])] = dict(pairs)
        if done.returncode:
            self.failed.append(step["name"])

    def _environment(self, written: Path) -> dict[str, str]:
        programs = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
        return {
            "PATH": os.pathsep.join(programs), "HOME": str(self.folder), "LANG": "C.UTF-8", "CI": "true",
            "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(self.folder / "checkout"), "RUNNER_TEMP": str(self.folder),
            "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_OUTPUT": str(written), "GITHUB_PATH": str(self.folder / "path.txt"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
        }  # fmt: skip

    def result(self, name: str) -> str:
        """An output of the action."""
        return self.value(ACTION["outputs"][name]["value"])

    @property
    def summary(self) -> str:
        return (self.folder / "summary.md").read_text("utf-8")

    @property
    def out(self) -> Path:
        return self.folder / "checkout" / self.input("output")


def a_job(folder: Path, **inputs: str) -> Job:
    """A job with plumbline on the PATH already and files left by an earlier one."""
    (folder / "checkout").mkdir()
    given = {"install": "false", "run": "false"} | {
        name.replace("_", "-"): text for name, text in inputs.items()
    }
    return Job(folder, given)


def left(job: Job, verdict: str, reason: str = "because", **changes: Any) -> Job:
    """A finished run's verdict and register in the output folder, carried there without their record."""
    now = datetime.now(UTC).isoformat()
    criterion = {
        "metric": "hire_rate_7d", "variant": "treatment", "kind": "criterion", "outcome": "passed", "threshold": 0,
        "estimate": 1, "ci_lower": None, "ci_upper": None, "lower": None, "upper": None, "delta_star": None,
    }  # fmt: skip
    document = {
        "schema_version": 1, "experiment": "quoting_v2", "verdict": verdict, "segments": [], "stage": None,
        "criteria": [criterion], "blocked_by": [], "waivers": [], "reasons": [reason], "as_of": now, "evaluated_at": now,
    }  # fmt: skip
    register = {
        "schema_version": 1,
        "run_id": "run-7",
        "as_of": now,
        "gaps": [],
        "checks": [],
        "coverage": {},
    }
    job.out.mkdir(parents=True)
    (job.out / "verdict.json").write_text(json.dumps(document | changes), encoding="utf-8")
    (job.out / "register.json").write_text(json.dumps(register), encoding="utf-8")
    return job


def commands_obeyed(log: str) -> list[str]:
    """The workflow commands of a log that a runner obeys: those not between stop-commands and its token."""
    obeyed, token = [], None
    for line in log.splitlines():
        if token is not None:
            token = None if line == f"::{token}::" else token
        elif line.startswith("::stop-commands::"):
            token = line.removeprefix("::stop-commands::")
        elif line.startswith("::") or "##[" in line:
            obeyed.append(line)
    assert token is None, "commands stay off after the step"
    return obeyed


def test_the_file_is_what_github_expects():
    schema = json.loads(SCHEMA.read_text("utf-8"))
    assert [error.message for error in Draft7Validator(schema).iter_errors(ACTION)] == []


def test_no_expression_stands_in_a_script():
    """An input pasted into a script is code; through the environment it stays a text."""
    for step in STEPS:
        assert "${{" not in step.get("run", "")


def test_every_input_is_used_and_described():
    used = set(re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text("utf-8")))
    assert used == set(ACTION["inputs"])
    assert all(entry["description"] for entry in ACTION["inputs"].values())


def test_every_input_and_output_is_in_the_documentation():
    page = (ROOT / "docs" / "ci.md").read_text("utf-8")
    missing = [name for name in (*ACTION["inputs"], *ACTION["outputs"]) if f"`{name}`" not in page]
    assert missing == []


def test_a_launch_within_a_partial_is_allowed_and_leaves_everything(tmp_path: Path):
    job = left(a_job(tmp_path, stage="10", experiment="quoting_v2"), "PARTIAL", stage=10).run()
    assert job.failed == [], job.log
    assert [job.result(name) for name in ("verdict", "exit-code", "evaluated")] == ["PARTIAL", "0", "true"]
    assert etree.parse(job.folder / "checkout" / job.result("junit")).getroot().get("failures") == "0"
    sarif = json.loads((job.folder / "checkout" / job.result("sarif")).read_text("utf-8"))
    assert sarif["runs"][0]["properties"]["verdicts"][0]["allowed"] is True
    assert job.summary.startswith("## ✓ PARTIAL for quoting_v2: launch allowed")
    assert [line.split(" ")[0] for line in commands_obeyed(job.log)] == ["::notice"]


@pytest.mark.matrix
def test_without_a_run_the_job_fails_and_every_artefact_says_why(tmp_path: Path):
    job = a_job(tmp_path, fail_on="not-evaluated").run()
    assert job.failed == ["Gate", "Artefacts"]
    assert [job.result(name) for name in ("verdict", "exit-code", "evaluated")] == ["", "3", "false"]
    assert etree.parse(job.out / "junit.xml").getroot().get("errors") == "1"
    assert "This blocks a launch." in job.summary
    assert [line.split(" ")[0] for line in commands_obeyed(job.log)] == ["::error"]


@pytest.mark.parametrize(
    ("fail_on", "failed"), [("blocked", ["Gate"]), ("not-evaluated", []), ("never", ["Gate"])]
)
def test_a_hold_fails_the_job_unless_only_what_was_not_evaluated_shall(tmp_path: Path, fail_on, failed):
    job = left(a_job(tmp_path, fail_on=fail_on), "HOLD").run("Gate")
    assert job.failed == failed
    assert job.result("exit-code") == "1"


def test_hostile_inputs_and_verdicts_are_never_code_or_commands(tmp_path: Path):
    attack = "$(touch pwned) `touch pwned`; touch pwned; \"; touch pwned; '"
    reason = '::error::forged ##[add-mask]GO\n  "verdict": "GO",\n::set-output name=verdict::GO'
    job = a_job(
        tmp_path, config=f"{attack}.yml", experiment=attack, segments=f"{attack}\n--help\n", max_age="7d"
    )
    left(job, "HOLD", reason, experiment=attack)
    job.run("Gate")
    assert [job.result(name) for name in ("verdict", "exit-code")] == ["HOLD", "1"], job.log
    assert commands_obeyed(job.log) == []
    assert list(tmp_path.rglob("pwned")) == []


def test_a_run_that_breaks_leaves_no_earlier_verdict_to_be_judged(tmp_path: Path):
    job = left(a_job(tmp_path, run="true"), "GO").run("Run the line", "Gate")  # there is no plumbline.yml
    assert job.failed == ["Run the line", "Gate"]
    assert job.result("evaluated") == "false"


def test_other_repositories_can_check_their_configuration_before_a_commit():
    [hook] = load_manifest(str(ROOT / ".pre-commit-hooks.yaml"))
    assert hook["entry"].split()[:3] == ["plumbline", "config", "check"]
    assert re.search(hook["files"], "analytics/plumbline.yml")
    assert not re.search(hook["files"], "plumbline.yml.md")


@pytest.mark.matrix
def test_the_whole_action_from_a_configuration_to_its_artefacts(tmp_path: Path):
    job = a_job(tmp_path, run="true")
    script = "from dagster_pipeline.cli import main; import sys; sys.argv[0] = 'plumbline'; sys.exit(main())"
    world = [sys.executable, "-c", script, "demo", "--folder", ".", "--requests", "3000", "--generate-only"]
    subprocess.run(world, cwd=job.folder / "checkout", check=True, timeout=300)
    job.run()
    assert job.failed == ["Gate"], job.log
    assert [job.result(name) for name in ("verdict", "exit-code", "evaluated")] == ["HOLD", "1", "true"]
    results = json.loads((job.out / "plumbline.sarif").read_text("utf-8"))["runs"][0]["results"]
    register = json.loads((job.out / "register.json").read_text("utf-8"))
    unresolved = {gap["gap_id"] for gap in register["gaps"] if gap["status"] != "resolved"}
    assert {found["partialFingerprints"]["plumblineGapId/v1"] for found in results} == unresolved
    assert len(list(etree.parse(job.out / "junit.xml").iter("testcase"))) > len(register["checks"])


@pytest.mark.matrix
def test_the_action_installs_plumbline_in_an_environment_of_its_own(tmp_path: Path):
    """From a wheel and without its dependencies, which this environment lends: a package index may be far away."""
    uv = shutil.which("uv") or str(ROOT / ".venv-uv" / "bin" / "uv")
    subprocess.run([uv, "build", "--wheel", "--out-dir", tmp_path, ROOT], check=True, timeout=300)
    [wheel] = tmp_path.glob("*.whl")
    [step] = [step for step in STEPS if step["name"] == "Install Plumbline"]
    job = a_job(tmp_path)
    job._run({**step, "env": {**step["env"], "PIP_NO_DEPS": "1", "GITHUB_ACTION_PATH": str(wheel)}})
    assert job.failed == [], job.log

    folder = (tmp_path / "path.txt").read_text("utf-8").strip()
    lent = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    there = {"PATH": folder, "PYTHONPATH": lent}
    command = [f"{folder}/plumbline", "config", "check", tmp_path / "missing.yml"]
    done = subprocess.run(command, env=there, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "no such file" in done.stderr
