"""``plumbline serve``: the Dagster UI on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dagster_pipeline.config.loader import load_config

LOOPBACK = "127.0.0.1"
SETTINGS = """\
telemetry:
  enabled: false
nux:
  enabled: false
# Runs that build the warehouse wait for each other; the lock on the file is the last line of defence.
concurrency:
  runs:
    tag_concurrency_limits:
      - key: plumbline/warehouse
        value: build
        limit: 1
# A run whose process died is noticed, and repeated where its job says so; a run that failed by itself is not.
run_monitoring:
  enabled: true
run_retries:
  enabled: true
  retry_on_asset_or_op_failure: false
"""
"""dagster.yaml of a project that has none."""
_EARLIER = ("telemetry:\n  enabled: false\nnux:\n  enabled: false\n",)
"""What earlier versions wrote there: replaced, as nobody changed it."""


def serve(config: Path, output: Path, port: int) -> None:
    """Start Dagster's webserver and daemon; Ctrl-C ends both."""
    loaded = load_config(config)
    home = config.resolve().parent / ".plumbline" / "dagster"
    write_settings(home)
    environment = os.environ | {
        "DAGSTER_HOME": os.environ.get("DAGSTER_HOME", str(home)),
        "PLUMBLINE_CONFIG": str(config.resolve()),
        "PLUMBLINE_OUTPUT": str(output.resolve()),
        "PLUMBLINE_STATE": str((loaded.warehouse.path or home).parent),
        "GX_ANALYTICS_ENABLED": "false",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    print(f"Dagster UI: http://{LOOPBACK}:{port}  (Ctrl-C ends it)", flush=True)
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-m",
        "dagster_pipeline.definitions",
        "-h",
        LOOPBACK,
        "-p",
        str(port),
    ]
    raise SystemExit(subprocess.run(command, env=environment, check=False).returncode)  # noqa: S603


def write_settings(home: Path) -> None:
    """Make a project's DAGSTER_HOME with its dagster.yaml; one that somebody wrote is left as it is."""
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists() or settings.read_text(encoding="utf-8") in _EARLIER:
        settings.write_text(SETTINGS, encoding="utf-8")
