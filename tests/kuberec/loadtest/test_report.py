import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from kuberec.loadtest.asking import Answer
from kuberec.loadtest.figures import figures
from kuberec.loadtest.report import html_report, in_words, report, write_report
from kuberec.loadtest.slo import judge
from tests.kuberec.loadtest.builders import outcome, recording, scenario, traffic
from tests.kuberec.loadtest.test_slo import LATENESS_MS, LIMITS

FACTS = {"target": "localhost:1", "model": "<films>", "workers": 1, "began": "2026-01-01T00:00:00+00:00"}


def content(*, failed: int = 0, second_version: bool = False) -> dict[str, Any]:
    played, drawn = scenario(), traffic()
    due = [float(seconds) for seconds in drawn.arrivals.seconds]
    outcomes = [outcome(seconds) for seconds in due]
    outcomes[:failed] = [outcome(seconds, answer=Answer("UNAVAILABLE", "<no one>")) for seconds in due[:failed]]
    if second_version:
        outcomes[-1] = outcome(due[-1], answer=Answer(version=2))
    measured = figures(recording(played, *outcomes), played, drawn)
    return report("steady", played, measured, judge(measured, played, LIMITS, LATENESS_MS), FACTS)


class Page(HTMLParser):
    """Collects tags with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def images(self) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == "img"]


@pytest.mark.parametrize(("failed", "second_version", "pictures"), [(0, False, 3), (5, False, 4), (5, True, 5)])
def test_the_page_shows_what_there_is_to_see(failed: int, second_version: bool, pictures: int) -> None:
    html = html_report(content(failed=failed, second_version=second_version))
    images = Page(html).images()
    assert len(images) == pictures
    assert all(str(image["src"]).startswith("data:image/svg+xml;base64,") for image in images)
    assert all(len(str(image["alt"])) > 30 for image in images)
    assert ("No request failed." in html) == (not failed)


def test_the_page_needs_nothing_from_elsewhere_and_escapes_what_others_wrote() -> None:
    html = html_report(content(failed=5))
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "&lt;films&gt;" in html
    assert "&lt;no one&gt;" in html
    assert "prefers-color-scheme: dark" in html


def test_the_same_figures_give_the_same_page() -> None:
    assert html_report(content()) == html_report(content())


def test_the_verdict_is_written_and_told(tmp_path: Path) -> None:
    failed = content(failed=5)
    data, page = write_report(tmp_path / "new", failed)
    assert (data.name, page.name) == ("steady.json", "steady.html")
    written = json.loads(data.read_text(encoding="utf-8"))
    assert written["verdict"] == "fail"
    assert written["reasons"]
    assert '<span class="fail">fail</span>' in page.read_text(encoding="utf-8")
    told = in_words(failed)
    assert told.startswith("steady fails")
    assert all(reason in told for reason in written["reasons"])
    assert "UNAVAILABLE: <no one>" in told
