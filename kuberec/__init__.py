"""Kuberec: from raw interaction events to a live, honestly judged recommender.

In a notebook:

    import kuberec

    model = kuberec.train("path/to/data", family="triplet")
    model.recommend(["196"], k=10)
"""

# `kuberec.api` has imported the module `kuberec.train`. Python binds a module to its package only when it is first
# imported, so from here on the function has the name `kuberec.train`, and `from kuberec.train import …` still works.
from kuberec.api import Model, compare, train
from kuberec.evaluation.result import Evaluation

__version__ = "0.1.0"
__all__ = ["Evaluation", "Model", "compare", "train"]
