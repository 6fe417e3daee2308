from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality.report import Column, Published, section, write_section
from kuberec.errors import ConfigError


def entry(name: str, role: str, ndcg: float, **more: Any) -> dict[str, Any]:
    figure = {"mean": ndcg, "low": ndcg - 0.01, "high": ndcg + 0.01, **more}
    return {
        "name": name,
        "role": role,
        "hyperparameters": {"width": 8, "rate": 0.1} if role == "model" else {},
        "seconds": [2.0, 4.0],
        "epochs": [3, 5] if role == "model" else [None],
        "machines": ["a machine"],
        "views": {"full": {"ndcg@10": figure}},
        "leads": {"popularity": {"full": {"ndcg@10": figure}}} if role == "model" else {},
    }


FOUND = {
    "dataset": "shop",
    "protocol": "ratio",
    "facts": {
        "users": 1234,
        "items": 56,
        "rows": {"train": 7, "test": 8},
        "views": {"full": {"users": 9, "description": "all ranked"}},
    },
    "seeds": 2,
    "bootstrap": {"confidence": 0.95, "resamples": 1000},
    "entries": [entry("popularity", "baseline", 0.1), entry("net", "model", 0.2, deviation=0.003)],
    "refused": {"needy": "it needs features"},
}
COLUMNS = (Column("full", "ndcg@10"), Column("full", "ndcg@10", lead_over="popularity"))
PUBLISHED = (Published("Peer", "a paper", {"full ndcg@10": 0.3}),)


def table(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_section_shows_ours_best_first_and_then_the_published() -> None:
    text = section("Shop", FOUND, COLUMNS, PUBLISHED, "Loosely comparable.", "bench-shop DATA=…")
    assert table(text)[2:] == [
        ["**net**", "0.2000 ± 0.0030 [0.1900, 0.2100]", "+0.2000 ± 0.0030 [+0.1900, +0.2100]", "3.0", "3, 5"],
        ["popularity (baseline)", "0.1000 [0.0900, 0.1100]", "", "3.0", ""],
        ["*Peer, published*", "0.3000", "", "", ""],
    ]


def test_a_section_says_what_is_needed_to_repeat_it() -> None:
    text = section("Shop", FOUND, COLUMNS, PUBLISHED, "Loosely comparable.", "bench-shop DATA=…")
    parts = ("## Shop", "1,234 users", "7 train", "all ranked", "width 8, rate 0.1", "a machine", "Peer: a paper")
    assert not [
        part for part in (*parts, "make bench-shop", "needy took no part: it needs features") if part not in text
    ]


def test_a_section_replaces_what_stands_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin a -->\nold\n<!-- end a -->\n<!-- begin b -->\nb\n<!-- end b -->\n", "utf-8")
    write_section(page, "a", r"new \1")
    expected = "before\n<!-- begin a -->\nnew \\1\n<!-- end a -->\n<!-- begin b -->\nb\n<!-- end b -->\n"
    assert page.read_text("utf-8") == expected
    write_section(page, "a", r"new \1")
    assert page.read_text("utf-8") == expected


@pytest.mark.parametrize("text", ["nothing", "<!-- begin a --><!-- end a --><!-- begin a --><!-- end a -->"])
def test_a_page_without_the_markers_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match="begin a"):
        write_section(page, "a", "new")
    assert page.read_text("utf-8") == text
