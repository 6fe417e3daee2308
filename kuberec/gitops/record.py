"""What a promotion or a rollback leaves in Git: a commit whose last lines can be read back, and a page."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PROMOTE, ROLLBACK = "promote", "rollback"
LOG_FORMAT = "--format=%H%x1f%an <%ae>%x1f%cI%x1f%(trailers:only,unfold)%x1e"
"""What `git log` has to be asked for, so that `records` can read it."""
_FIELD, _END = "\x1f", "\x1e"
_TRAILER = re.compile(r"Kuberec-([A-Z][a-z]+): *(.*)")


@dataclass(frozen=True)
class Record:
    """One promotion or rollback.

    Attributes:
        action: `promote` or `rollback`.
        environment: The overlay.
        model: The model's name.
        label: The label that moved.
        version: The version it points at since.
        previous: The version it pointed at before; None for a model's first.
        export: Content hash of the version's export.
        run: What made the version, as the caller named it: a pipeline run or its URL; may be empty.
        reason: Why, in a line: the caller's words, or what the gate measured.
        metrics: The version's figures in the evaluation that the gate judged.
        who: Name and address of the commit's author; empty before it is committed.
        when: Its time, ISO 8601; empty before it is committed.
        commit: Its hash; empty before it is committed.
    """

    action: str
    environment: str
    model: str
    label: str
    version: int
    previous: int | None
    export: str = ""
    run: str = ""
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    who: str = ""
    when: str = ""
    commit: str = ""


def message(record: Record, body: str = "") -> str:
    """The commit message: a subject, a body, and one line for each field."""
    before = "" if record.previous is None else f", before {record.previous}"
    verb = "Promote" if record.action == PROMOTE else "Roll back"
    subject = f"{verb} {record.model} in {record.environment}: {record.label} is {record.version}{before}"
    fields = {
        "Action": record.action,
        "Environment": record.environment,
        "Model": record.model,
        "Label": record.label,
        "Version": str(record.version),
        "Previous": "" if record.previous is None else str(record.previous),
        "Export": record.export,
        "Run": one_line(record.run),
        "Reason": one_line(record.reason),
    }
    lines = [f"Kuberec-{name}: {value}" for name, value in fields.items() if value]
    lines += [f"Kuberec-Metric: {name}={value:.6g}" for name, value in record.metrics.items()]
    return "\n\n".join(part for part in (subject, body.strip(), "\n".join(lines)) if part) + "\n"


def records(log: str) -> Iterator[Record]:
    """The promotions and rollbacks in the answer of `git log` to `LOG_FORMAT`; other commits are left out."""
    for entry in log.split(_END):
        if entry.strip():
            commit, who, when, trailers = entry.strip("\n").split(_FIELD)
            found = _record(trailers, who=who, when=when, commit=commit)
            if found:
                yield found


def page(model: str, version: int, verdict: str, evaluation: str) -> str:
    """The page that is committed beside version.yaml: why the gate let a version pass, and what was measured."""
    parts = [f"# {model} version {version}", _deeper(verdict), _deeper(evaluation)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def one_line(text: str) -> str:
    """The text with every run of blanks and line breaks as one blank."""
    return " ".join(text.split())


def _record(trailers: str, **commit: Any) -> Record | None:
    pairs = [match.groups() for match in map(_TRAILER.fullmatch, trailers.splitlines()) if match]
    fields = {name: value for name, value in pairs if name != "Metric"}
    if not {"Action", "Environment", "Model", "Label", "Version"} <= set(fields):
        return None
    metrics = dict(value.split("=", 1) for name, value in pairs if name == "Metric")
    return Record(
        action=fields["Action"],
        environment=fields["Environment"],
        model=fields["Model"],
        label=fields["Label"],
        version=int(fields["Version"]),
        previous=int(fields["Previous"]) if "Previous" in fields else None,
        export=fields.get("Export", ""),
        run=fields.get("Run", ""),
        reason=fields.get("Reason", ""),
        metrics={name: float(value) for name, value in metrics.items()},
        **commit,
    )


def _deeper(markdown: str) -> str:
    return re.sub("^#", "##", markdown, flags=re.MULTILINE)
