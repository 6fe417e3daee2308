"""What the commands make of their measurements."""

import json
from pathlib import Path

import pytest

from benchmarks.speed import catalogue, command, time_to_quality, training
from benchmarks.speed.judge import METRIC


def test_a_peer_is_met_at_the_first_point_as_good() -> None:
    curve = [{METRIC: value, "seconds": seconds} for value, seconds in ((0.1, 1.0), (0.3, 2.0), (0.4, 3.0))]
    met = time_to_quality._compared({METRIC: 0.3, "seconds": 8.0}, curve)
    assert (met["our_seconds"], met["ratio"]) == (2.0, 4.0)
    missed = time_to_quality._compared({METRIC: 0.5, "seconds": 8.0}, curve)
    assert (missed["our_seconds"], missed["ratio"]) == (None, None)
    assert "not reached" in time_to_quality._cells(missed)


def test_each_family_is_compared_with_the_peer_of_its_loss() -> None:
    speeds = {f"{family} {loss}": 600 for family in training.FAMILIES for loss in training.LOSSES}
    speeds |= {"lightfm bpr": 300, "lightfm warp": 200, training.KERAS: 100}
    ratios = training._ratios(speeds)
    assert ratios["matrix_factorization bpr"] == {"lightfm": 2.0, "keras fit": 6.0}
    assert ratios["triplet warp"] == {"lightfm": 3.0}


def test_a_catalogue_is_judged_by_the_median_step() -> None:
    runs = [{"step_seconds": [0.2, 0.4], "peak_gib": 1.0}, {"step_seconds": [0.3], "peak_gib": 2.0}]
    entry = catalogue._entry(100, runs)
    assert (entry["positives"], entry["step_milliseconds"], entry["peak_gib"]) == (200, 300.0, 2.0)


def test_a_section_lands_between_its_markers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n<!-- begin speed-ranking -->\nold\n<!-- end speed-ranking -->\n\nafter\n")
    command.finish(page, "speed-ranking", "Title", [command.table(["a", "b"], [[1, 2]])], {"value": 3})
    text = page.read_text()
    assert "old" not in text
    assert "## Title" in text
    assert "| a | b |\n| --- | --- |\n| 1 | 2 |" in text
    assert text.endswith("<!-- end speed-ranking -->\n\nafter\n")
    assert json.loads(capsys.readouterr().out) == {"benchmark": "speed-ranking", "value": 3}
