"""Where the metrics are read: the text proto that TF Serving reads from `--monitoring_config_file`."""

from pathlib import Path

from kuberec.serving.protos import new_message, read_text

DEFAULT_PATH = "/monitoring/prometheus/metrics"
HINT = '--monitoring_config_file expects a text file: prometheus_config { enable: true path: "/…" }'


def read_metrics_path(file: Path) -> str | None:
    """The path under which a MonitoringConfig file wants the metrics; None where it wants none.

    Raises:
        ConfigError: The file cannot be read, or is no MonitoringConfig.
    """
    config = read_text(file, new_message("MonitoringConfig"), HINT).prometheus_config
    return (config.path or DEFAULT_PATH) if config.enable else None
