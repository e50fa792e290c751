"""The table of completed rounds, from their recorded lines. In Markdown, for documents."""

import statistics


def table(rows, rounds_of):
    head = ["what", "wanted", "done", "left behind", "figures"]
    lines = [head, *(line(row, rounds_of(row)) for row in rows)]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(head))]
    shown = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |" for cells in lines]
    shown.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(shown)


def line(row, rounds):
    reports = [report for one in rounds for report in one["reports"]]
    failed = [one for one in rounds if not one["passed"]]
    left_behind = [f"{sum(report['left_behind'] for report in reports):,}"] if reports else []
    if failed:
        left_behind.append(f"FAILED with the seeds {', '.join(str(one['seed']) for one in failed)}")
    done = f"{done_of(rounds):,} {row.unit}"
    runs = sum(report["runs"] for report in reports)
    if runs not in (0, done_of(rounds)):
        done += f", {runs:,} runs"
    return [row.what, f"{row.wanted:,} {row.unit}", done, "; ".join(left_behind), figures(reports)]


def done_of(rounds):
    return sum(one["count"] for one in rounds if one["passed"])


def figures(reports):
    pooled = {}
    for report in reports:
        for name, value in report["figures"].items():
            pooled.setdefault(name, []).append(value)
    return "; ".join(f"{name} {figure(values)}" for name, values in pooled.items())


def figure(values):
    """Counts are summed; of samples, which are lists, the median and the worst are shown."""
    if not any(isinstance(value, list) for value in values):
        return f"{sum(values):,}"
    samples = [sample for value in values for sample in value]
    if not samples:
        return "none"
    return f"median {number(statistics.median(samples))}, worst {number(max(samples))}"


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
