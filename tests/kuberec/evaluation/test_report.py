import re
from typing import Any

from kuberec.evaluation.report import findings, html_report, lead_text, markdown_report

NAMES = ("hr@3", "recall@3", "ndcg@3", "mrr@3", "map@3")


def interval(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.02, "high": mean + 0.02}


def recommender(role: str, mean: float) -> dict[str, Any]:
    part = {name: interval(mean) for name in NAMES}
    return {
        "role": role,
        "parameters": {"days": 7},
        "slices": {"all": part, "cold_users": part, "cold_items": {}},
        "lists": {"coverage": 0.5, "gini": 0.4, "novelty": 3.21, "popularity": {"lift": 0.1}},
        "faults": {"observed": 0, "repeated": 0, "missing": 0},
    }


def metrics(**leads: float) -> dict[str, Any]:
    """Figures of a candidate at 0.5 and of baselines that it leads by the given differences."""
    slices = {name: {"description": name, "users": users, "truth": 9} for name, users in SIZES.items()}
    return {
        "dataset": "films <b>",
        "strategy": "temporal",
        "k": 3,
        "catalogue": 1200,
        "slices": slices,
        "bootstrap": {"confidence": 0.95, "resamples": 1000, "seed": 0},
        "recommenders": {
            "triplet": recommender("model", 0.5),
            **{f"baseline:{name}": recommender("baseline", 0.5 - lead) for name, lead in leads.items()},
        },
        "candidate": "triplet",
        "best_baseline": {},
        "differences": {
            f"baseline:{name}": {"all": {metric: interval(lead) for metric in NAMES}} for name, lead in leads.items()
        },
        "validation": {"triplet": {"ndcg@10": 0.4321}},
    }


SIZES = {"all": 6040, "cold_users": 4, "cold_items": 0}


def test_a_lead_is_called_by_its_interval() -> None:
    assert lead_text({"mean": 0.1, "low": 0.01, "high": 0.2}, "ndcg@3").startswith("the candidate is better (+0.1000")
    assert lead_text({"mean": -0.1, "low": -0.2, "high": -0.01}, "ndcg@3").startswith("the candidate is worse (-0.1")
    assert lead_text({"mean": 0.1, "low": -0.01, "high": 0.2}, "ndcg@3").startswith("level")


def test_the_findings_name_the_winner_even_when_it_is_a_baseline() -> None:
    sentences = findings(metrics(ease=-0.1, popularity=0.2))
    assert (
        "Highest ndcg@3 on the test part: baseline:ease, 0.6000 (0.5800–0.6200). The candidate reaches 0.5000"
        in sentences[2]
    )
    assert sentences[3].startswith("Against baseline:ease: the candidate is worse (-0.1000")
    assert sentences[4].startswith("Against baseline:popularity: the candidate is better (+0.2000")


def test_the_table_is_ordered_by_the_main_metric() -> None:
    rows = [line for line in markdown_report(metrics(ease=-0.1, popularity=0.2)).splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == ["| recommender", "| ease", "| **triplet**", "| popularity"]
    assert rows[2].split(" | ")[1:3] == ["candidate", "0.5000 (0.4800–0.5200)"]


def test_a_model_and_a_baseline_of_one_name_are_told_apart_by_their_roles() -> None:
    found = metrics(triplet=0.2)
    rows = [line.split(" | ")[:2] for line in markdown_report(found).splitlines() if line.startswith("| ")]
    assert rows[1:] == [["| **triplet**", "candidate"], ["| triplet", "baseline"]]
    assert findings(found)[3].startswith("Against baseline:triplet: the candidate is better (+0.2000")


def test_the_page_is_self_contained_and_escapes_names() -> None:
    page = html_report(metrics(popularity=0.2))
    assert "films &lt;b&gt;" in page
    assert "films <b>" not in page
    assert page.count("data:image/svg+xml;base64,") == 4
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "Highest ndcg@3 on the test part: triplet" in page


def test_the_page_comes_out_the_same_twice() -> None:
    assert html_report(metrics(popularity=0.2)) == html_report(metrics(popularity=0.2))
