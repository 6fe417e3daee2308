"""The steps run in the interpreter that runs the pipeline, wherever it lies."""

import sys
from pathlib import Path

import pytest
from kfp import dsl, local

from components import IMAGE
from pipelines.local import _child_environment


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def interpreter() -> str:
    """Where this step runs."""
    import os

    return os.environ["RUN_BY"]


@pytest.mark.filterwarnings("ignore:You may be attemping to run a task:RuntimeWarning")
def test_a_path_with_a_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "my projects" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nRUN_BY="$0" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with _child_environment(tmp_path / "work"):
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(tmp_path / "root"))
        assert interpreter().output == str(python)
    assert sys.executable == str(python)
