"""``plumbline serve``: the Dagster UI on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dagster_pipeline.config.loader import load_config

LOOPBACK = "127.0.0.1"


def serve(config: Path, output: Path, port: int) -> None:
    """Start Dagster's webserver and daemon; Ctrl-C ends both."""
    loaded = load_config(config)
    home = config.resolve().parent / ".plumbline" / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text("telemetry:\n  enabled: false\nnux:\n  enabled: false\n", encoding="utf-8")
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
