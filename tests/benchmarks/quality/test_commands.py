"""The commands as a user types them, and what they and the documents say of each other."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.quality import cold, movielens_100k, ncf, table
from benchmarks.quality.named import PAGE, SETTINGS, Part, main, read_settings
from benchmarks.quality.protocols import Protocol
from benchmarks.quality.report import Column
from benchmarks.quality.tune import grid
from kuberec.errors import ConfigError
from tests.benchmarks.quality.folders import histories, write_contract, write_ncf

ROOT = Path(__file__).resolve().parents[3]
NAMED = (cold, movielens_100k, ncf, table)
PARTS = [part for module in NAMED for part in module.PARTS]
TINY = ["epochs=1", "embedding_size=4", "batch_size=64"]


def command(name: str, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    script = [sys.executable, str(ROOT / "benchmarks" / "quality" / name), *map(str, arguments)]
    return subprocess.run(script, cwd=cwd, capture_output=True, text=True, check=False)


def figures_of(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_run_works_from_anywhere_and_prints_one_object(tmp_path: Path) -> None:
    folder = write_contract(tmp_path / "shop", histories())
    arguments = ("--dataset", folder, "--protocol", "ratio", "--baselines", "popularity,random", "--seeds", 2)
    found = figures_of(command("run.py", *arguments, "--work", tmp_path / "work", cwd=tmp_path))
    assert [(entry["name"], entry["seeds"]) for entry in found["entries"]] == [("popularity", [0]), ("random", [0, 1])]


def test_an_error_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    done = command("run.py", "--dataset", tmp_path / "no", "--protocol", "ratio", cwd=tmp_path)
    assert done.returncode == 3
    assert "is no folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_tune_ranks_by_held_back_rows(tmp_path: Path) -> None:
    folder = write_ncf(tmp_path / "ncf", histories())
    grid_of = ["--family", "matrix_factorization", "--set", *TINY, "--grid", "learning_rate=1.0e-9,0.05"]
    arguments = ["--dataset", folder, "--protocol", "ncf", *grid_of, "--work", tmp_path / "work"]
    trials = figures_of(command("tune.py", *arguments, cwd=tmp_path))["trials"]
    assert {trial["tried"]["learning_rate"] for trial in trials} == {1e-9, 0.05}
    values = [trial["validation"]["ndcg@10"] for trial in trials]
    assert values == sorted(values, reverse=True)


@pytest.mark.slow
def test_a_named_benchmark_writes_its_section_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_contract(tmp_path / "data" / "shop", histories())
    part = Part("shop-part", "Shop", "shop", Protocol.RATIO, (Column("full", "ndcg@10"),), ("popularity",))
    page, settings = tmp_path / "page.md", tmp_path / "settings.yaml"
    page.write_text("<!-- begin shop-part -->\n<!-- end shop-part -->\n", encoding="utf-8")
    hyperparameters = yaml.safe_load("{epochs: 1, embedding_size: 4, batch_size: 64}")
    settings.write_text(yaml.safe_dump({"shop-part": {"matrix_factorization": hyperparameters}}), encoding="utf-8")
    typed = ["x", "--data", tmp_path / "data", "--families", "matrix_factorization", "--seeds", 1, "--page", page]
    monkeypatch.setattr(sys, "argv", [*map(str, typed), "--settings", str(settings), "--work", str(tmp_path / "work")])
    main("bench-shop", "", [part])
    first = capsys.readouterr()
    text = page.read_text(encoding="utf-8")
    assert "**matrix_factorization**" in text
    assert "embedding_size 4" in text
    main("bench-shop", "", [part])
    again = capsys.readouterr()
    assert ", seed 0" in first.err
    assert ", seed 0" not in again.err
    assert again.out.splitlines()[-1] == first.out.splitlines()[-1]
    assert page.read_text(encoding="utf-8") == text


def test_a_grid_is_every_combination() -> None:
    tried = list(grid(["rate=0.1,0.2", "sizes=[8],[8,4]"]))
    assert tried == [
        {"rate": 0.1, "sizes": [8]},
        {"rate": 0.1, "sizes": [8, 4]},
        {"rate": 0.2, "sizes": [8]},
        {"rate": 0.2, "sizes": [8, 4]},
    ]
    with pytest.raises(ConfigError, match="name=a,b,c"):
        grid(["rate"])


def test_every_part_has_its_section_and_its_settings() -> None:
    page = PAGE.read_text(encoding="utf-8")
    names = [part.name for part in PARTS]
    assert re.findall(r"<!-- begin (\S+) -->", page) == re.findall(r"<!-- end (\S+) -->", page)
    assert set(names) <= set(re.findall(r"<!-- begin (\S+) -->", page))
    assert sorted(read_settings(SETTINGS)) == sorted(names)


def test_settings_of_an_unknown_family_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("ncf-ml-1m: {no_such_family: {epochs: 1}}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no_such_family"):
        read_settings(path)


def test_every_named_benchmark_has_a_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for module in NAMED:
        path = ROOT / f"{module.__name__.replace('.', '/')}.py"
        (target,) = re.findall(r'main\("([a-z-]+)"', path.read_text(encoding="utf-8"))
        assert re.search(rf"^{target}:.*\n\t.*/{path.name} ", makefile, re.MULTILINE)
