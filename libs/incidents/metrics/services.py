"""Which service a series is of, by its labels, and which labels tell what else it is of."""

from collections.abc import Mapping, Sequence

SERVICE_LABELS = ("service", "service_name", "job", "app", "container", "pod")
"""The first of these that a series has names its service."""
_EXPORTED = "exported_"
"""So Prometheus calls a label of the target's own that one of the scrape hides."""
_SCRAPERS = (
    "kubernetes-",
    "kube-state-metrics",
    "kubelet",
    "cadvisor",
    "node-exporter",
    "blackbox",
)
"""A scrape job of these measures others: it is no service of its own where a label below says more."""
_PLACES = frozenset({
    "instance", "pod", "pod_name", "pod_ip", "container", "container_id", "container_name", "image",
    "image_id", "uid", "node", "nodename", "host", "hostname", "host_name", "host_ip", "endpoint",
    "namespace", "cluster", "job", "service", "service_name", "app", "prometheus", "replica",
    "prometheus_replica", "monitor", "deployment", "environment", "env", "region", "zone", "version",
    "le", "quantile", "pid", "revision", "metrics_path",
})  # fmt: skip
_PLACE_BEGINNINGS = (
    "k8s_", "host_", "os_", "process_", "telemetry_", "service_", "container_", "otel_scope_",
    "cloud_", "faas_", "deployment_", "app_kubernetes_io_", "pod_template", _EXPORTED,
)  # fmt: skip


def plain_label(name: str) -> str:
    """Return a label's name as Prometheus writes it: `service.name` is `service_name` there."""
    return name.replace(".", "_").replace("-", "_").replace("/", "_")


def service_by(labels: Mapping[str, str], order: Sequence[str]) -> str:
    """Return the service that labels name, the first of `order`; empty if they name none."""
    scraper = ""
    for label in order:
        value = labels.get(_EXPORTED + label) or labels.get(label)
        if not value:
            continue
        if label == "job":
            # OpenTelemetry writes the service's namespace before its name.
            value = value.rpartition("/")[2]
            if value.startswith(_SCRAPERS):
                scraper = scraper or value
                continue
        return value
    return scraper


def telling(labels: Mapping[str, str], order: Sequence[str]) -> dict[str, str]:
    """Return the labels that tell what a series is of, not where it was measured."""
    return {
        name: value
        for name, value in labels.items()
        if value
        and name not in _PLACES
        and name not in order
        and not name.startswith(_PLACE_BEGINNINGS)
    }
