"""MovieLens-100K, a random 75/25 split of each user's ratings: beside the table of the `recommenders` repository.

    .venv/bin/python benchmarks/quality/movielens_100k.py --data DIR

DIR holds the folder ml-100k. Writes its section of docs/benchmarks.md; the last line is one JSON object.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.named import Part, main
from benchmarks.quality.protocols import Protocol
from benchmarks.quality.report import Column, Published
from kuberec.baselines import BASELINES

SOURCE = "README of recommenders-team/recommenders; 15 passes"
FIGURES = {
    "BiVAE": (0.4751, 0.2191),
    "BPR": (0.4420, 0.2125),
    "LightGCN": (0.4198, 0.1443),
    "NCF": (0.3961, 0.1808),
    "SAR": (0.3825, 0.1764),
    "SVD": (0.0959, 0.0328),
}

PARTS = (
    Part(
        name="ratio-ml-100k",
        title="Random 75/25 split, MovieLens-100K",
        folder="ml-100k",
        protocol=Protocol.RATIO,
        columns=(Column("full", "ndcg@10"), Column("full", "recall@10"), Column("full", "hr@10")),
        references=BASELINES,
        published=tuple(
            Published(name, SOURCE, {"full ndcg@10": ndcg, "full recall@10": recall})
            for name, (ndcg, recall) in FIGURES.items()
        ),
        comparison="Every rating is a positive and relevance is binary, as in the published table. Its rows were drawn "
        "with another seed and are not published; its README says that they are drawn by user, as here, its notebook "
        "draws them by item: the comparison is loose. A quarter of each user's ratings is test; of the others, a part "
        "is held out to choose the number of passes, and learned afterwards. A random split lets a model learn from "
        "what came later, so that these figures say nothing about a deployed one.",
    ),
)

if __name__ == "__main__":
    main("bench-quality-ratio", __doc__ or "", PARTS)
