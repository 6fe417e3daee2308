"""A load test's report: the figures and the verdict as JSON, and as one self-contained page."""

from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from kuberec.artifacts import write_json, write_text
from kuberec.loadtest.figures import Figures
from kuberec.loadtest.pictures import pictures
from kuberec.loadtest.scenario import Scenario
from kuberec.loadtest.slo import Judgement, Verdict

TEMPLATE = "report.html"
HEADLINES = {
    Verdict.PASS: "passes: every limit holds",
    Verdict.FAIL: "fails: a limit is broken",
    Verdict.INVALID: "is invalid: it did not go as planned, so its figures tell nothing of the server",
}


def report(
    name: str, scenario: Scenario, figures: Figures, judgement: Judgement, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that is to be kept of a load test, JSON types only.

    Args:
        name: The scenario's.
        scenario: What was played.
        figures: What came of it.
        judgement: How it is judged.
        facts: What else tells of the run: target, model, workers, when.
    """
    return {
        "scenario": name,
        "verdict": judgement.verdict.value,
        "reasons": judgement.reasons,
        "checks": [asdict(check) for check in judgement.checks],
        "settings": scenario.model_dump(mode="json"),
        "facts": dict(facts),
        "figures": figures,
    }


def write_report(folder: Path, content: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write `<scenario>.json` and `<scenario>.html`; earlier ones are replaced. Returns the two paths."""
    folder.mkdir(parents=True, exist_ok=True)
    data, page = folder / f"{content['scenario']}.json", folder / f"{content['scenario']}.html"
    write_json(data, content)
    write_text(page, html_report(content))
    return data, page


def html_report(content: Mapping[str, Any]) -> str:
    """The page of a report; the same figures give the same bytes."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8"))
    headline = HEADLINES[Verdict(content["verdict"])]
    return template.render(report=content, figures=content["figures"], headline=headline, pictures=pictures(content))


def in_words(content: Mapping[str, Any]) -> str:
    """The verdict for a terminal: the outcome, then every check with its reason."""
    lines = [f"{content['scenario']} {HEADLINES[Verdict(content['verdict'])]}"]
    lines += [f"  {'✓' if check['passed'] else '✗'} {check['reason']}" for check in content["checks"]]
    examples = content["figures"]["error_examples"]
    lines += [f"    {kind}: {detail}" for kind, detail in examples.items() if detail]
    return "\n".join(lines)
