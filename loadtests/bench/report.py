"""Figures as text: medians with their spread."""

import statistics
import subprocess

from . import peers


def spread(values):
    """Median, least and most of repeated measurements; None of none."""
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "all": values}


def text(value, digits=1):
    """A figure, or the median of several with least and most."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return f"{value['median']:.{digits}f} ({value['min']:.{digits}f}-{value['max']:.{digits}f})"
    return f"{value:.{digits}f}"


# Of a row: what it is called in it, on screen, and its digits after the point.
COLUMNS = [
    ("cpu_us", "CPU us/request", 1),
    ("x_nginx_plain", "x nginx-plain", 2),
    ("x_nginx_work", "x nginx-work", 2),
    ("x_envoy_work", "x envoy-work", 2),
    ("per_second", "requests/s", 0),
    ("syscalls_per_request", "syscalls/request", 2),
    ("p50_us", "p50 us", 0),
    ("p99_us", "p99 us", 0),
    ("pss_mib", "PSS MiB", 0),
]


def grid(header, lines):
    """A Markdown table."""
    out = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    out += ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(out)


def commit():
    """The commit that is measured."""
    named = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=peers.ROOT, capture_output=True, text=True, check=False
    )
    return named.stdout.strip()


def described(report):
    """Under which circumstances the figures were taken."""
    return (
        f"commit {report['commit']}, {report['cores']} cores, {report['connections']} connections, {report['rounds']} rounds of "
        f"{report['seconds']} s, load average {report['load_before']} before and {report['load_after']} after. "
        "Medians (least-most)."
    )


def table(report):
    """The report of `run` for a person."""
    out = [described(report)]
    for name, result in report["scenarios"].items():
        rows = result["rows"]
        shown = [column for column in COLUMNS if any(column[0] in row for row in rows.values())]
        place = "pinned apart from load and upstream" if result["pinned"] else "sharing the cores with load and upstream"
        title = f"{name}: proxies {place}"
        if "rate" in result:
            title += f"; latency at {result['rate']:.0f} requests/s"
        lines = [
            [row_name, *(text(row.get(column), digits) for column, _, digits in shown)] for row_name, row in rows.items()
        ]
        out += ["", title, "", grid(["proxy", *(label for _, label, _ in shown)], lines)]
        for row_name, row in rows.items():
            if "syscalls" in row:
                calls = ", ".join(f"{call} {count:.2f}" for call, count in row["syscalls"].items() if count >= 0.02)
                out.append(f"{'' if out[-1].startswith('syscalls') else chr(10)}syscalls of {row_name}: {calls}")
        for row_name, scale in result.get("scaling", {}).items():
            out.append(f"two workers of {row_name} do {text(scale, 2)} x the work of one, by {result['by']}")
    return "\n".join(out)
