"""Models with operations of TensorFlow Text."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kuberec.serving.graph import GraphSession
from kuberec.serving.text_ops import register_text_ops
from tests.kuberec.serving.saved_models import save_sum


def test_they_are_served_where_the_package_is_installed(tmp_path: Path) -> None:
    text = pytest.importorskip("tensorflow_text")
    module = tf.Module()
    module.fold = tf.function(text.case_fold_utf8, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path / "1"), signatures=module.fold)
    session = GraphSession(tmp_path / "1")
    signature = session.signatures["serving_default"]
    (feed,), (fetch,) = signature.inputs.values(), signature.outputs.values()
    assert session.run({feed.name: np.array(["GRÜSSE"], object)}, [fetch.name], None)[0].tolist() == ["grüsse".encode()]
    session.close()


def test_a_package_that_does_not_fit_leaves_other_models_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tensorflow_text.py").write_text("raise OSError('undefined symbol')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorflow_text", raising=False)
    register_text_ops.cache_clear()
    GraphSession(save_sum(tmp_path / "1")).close()
    register_text_ops.cache_clear()
    assert "tensorflow_text cannot be imported: undefined symbol" in caplog.text
