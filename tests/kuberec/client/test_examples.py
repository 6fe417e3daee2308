"""The documents' examples run as they stand, on a model that the steps have exported."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kuberec.client import Client
from kuberec.serving.testing import model_server
from tests.kuberec.conftest import Run

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = [
    (page, example)
    for page in ("client.md", "serving.md")
    for example in re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)
]


@pytest.fixture(scope="module")
def live(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    repository = tmp_path_factory.mktemp("models")
    shutil.copytree(run.export, repository / "recommender" / "1")
    with model_server(repository) as address:
        yield address


def test_there_are_examples() -> None:
    assert [page for page, _ in EXAMPLES] == ["client.md", "client.md", "client.md", "serving.md"]


@pytest.mark.parametrize("example", [example for _, example in EXAMPLES])
def test_examples_run(example: str, live: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "localhost:8500" in example
    exec(compile(example.replace("localhost:8500", live), "example", "exec"), {})
    assert capsys.readouterr().out.count("\n") >= example.count("print(")


def test_the_signatures_of_an_export_agree_with_each_other(live: str) -> None:
    with Client(live) as client:
        answer = client.recommend("recommender", "nobody", 3)
        inputs = {"user_id": ["nobody"], "item_ids": [answer.item_ids]}
        (scores,) = client.predict("recommender", inputs, signature="score").outputs["scores"]
        assert scores == pytest.approx(answer.scores, abs=1e-5)
        inputs = {"item_id": answer.item_ids[:1], "k": 2}
        (similar,) = client.predict("recommender", inputs, signature="similar_items").outputs["item_ids"]
        assert len(set(similar) - {answer.item_ids[0].encode()}) == 2
        assert client.recommend_many("recommender", []) == []
