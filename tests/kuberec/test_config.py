from pathlib import Path

import pytest

from kuberec.config import RunConfig, dump_config, load_config
from kuberec.errors import ConfigError, SourceError


def test_without_file_and_overrides_all_defaults_hold() -> None:
    config = load_config()
    assert config == RunConfig()
    assert (config.source, config.strategy, config.epochs) == ("movielens-100k", "temporal", None)


def test_overrides_win_over_the_file_and_later_ones_over_earlier(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("seed: 3\nk: 5\nmetric: hr@5\n")
    config = load_config(path, ["seed=4", "seed=9"])
    assert (config.seed, config.k, config.metric) == (9, 5, "hr@5")


def test_overrides_are_typed_by_their_field() -> None:
    config = load_config(None, ["model_name=123", "epochs=7", "margin=0.25", "families=triplet, gru"])
    assert (config.model_name, config.epochs, config.margin) == ("123", 7, 0.25)
    assert config.families == ["triplet", "gru"]
    assert load_config(None, ["epochs=7", "epochs=null"]).epochs is None


def test_dump_and_load_give_the_same_settings(tmp_path: Path) -> None:
    config = load_config(None, ["families=a,b", "source=dätä/dataset.yaml", "test_share=0.2"])
    path = tmp_path / "run.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert load_config(path) == config


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("")
    assert load_config(path) == RunConfig()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sed=1"], "unknown setting 'sed'; the settings are source"),
        (["seed"], "An override has the form field=value"),
        (["=1"], "An override has the form field=value"),
        (["k=many"], "k: Input should be a valid integer"),
        (["k=0", "metric=ndcg@0"], "k: Input should be greater than or equal to 1"),
        (["seed=-1"], "seed: .*got '-1'"),
        (["margin=nan"], "margin"),
        (["test_share=1"], "test_share: Input should be less than 1"),
        (["test_share=0.5", "validation_share=0.5"], "leave nothing to train on"),
        (["strategy=lottery"], "strategy: Input should be 'temporal', 'leave_one_out', 'user', 'ratio' or 'item'"),
        (["families="], "families"),
        (["families=a,a"], "each family once"),
        (["families=../x"], "named like its folder"),
        (["k=20"], "metric 'ndcg@10' is not cut at k=20"),
        (["metric=ndcg"], "metric"),
        (["model_name=a/b"], "model_name"),
    ],
)
def test_a_bad_setting_is_named(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(None, overrides)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"seed.*; margin|margin.*; seed"):
        load_config(None, ["seed=x", "margin=9"])


@pytest.mark.parametrize(
    ("text", "message"), [("- a\n- b\n", "must hold a mapping"), ("a: [", "no valid YAML"), ("seed: [1]", "seed")]
)
def test_a_broken_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"absent\.yaml does not exist"):
        load_config(tmp_path / "absent.yaml")
