"""MovieLens-1M by the protocol of the NCF paper (He et al. 2017): the test item among its 99 published negatives.

    .venv/bin/python benchmarks/quality/ncf.py --data DIR

DIR holds the folder ncf-ml-1m. Writes its section of docs/benchmarks.md; the last line is one JSON object.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.named import Part, main
from benchmarks.quality.protocols import Protocol
from benchmarks.quality.report import Column, Published
from kuberec.baselines import BASELINES

RENDLE = "Rendle et al. 2020, arXiv 2005.09683; as recalled, not read again"
RERUN = "as quoted in the README files of doheelab/NCF and petuum/adaptdl"

PARTS = (
    Part(
        name="ncf-ml-1m",
        title="NCF protocol, MovieLens-1M",
        folder="ncf-ml-1m",
        protocol=Protocol.NCF,
        columns=(
            Column("sampled", "hr@10"),
            Column("sampled", "ndcg@10"),
            Column("every_row", "hr@10"),
            Column("every_row", "ndcg@10"),
        ),
        references=BASELINES,
        published=(
            Published("MF, d=192", RENDLE, {"every_row hr@10": 0.7294, "every_row ndcg@10": 0.4523}),
            Published("NeuMF, pretrained", RERUN, {"every_row hr@10": 0.726, "every_row ndcg@10": 0.445}),
            Published("NeuMF, not pretrained", RERUN, {"every_row hr@10": 0.701, "every_row ndcg@10": 0.425}),
            Published("GMF", RERUN, {"every_row hr@10": 0.708, "every_row ndcg@10": 0.429}),
            Published("popularity", RENDLE, {"every_row hr@10": 0.4535, "every_row ndcg@10": 0.2543}),
        ),
        comparison="Test items, negatives and users are those of the paper; the train file was rebuilt from the same "
        "interactions and holds the published number of rows. Published figures are over every row; they stand beside "
        "`every_row`. A candidate scored as high as the test item counts as ranked before it. Hyperparameters were "
        "chosen with the test rows left out, by each user's last remaining item among 99 drawn ones. The published "
        "figure of MF is above that of matrix_factorization. On those rows softmax did better than logistic loss and "
        "BPR; dropout, regularization, the size of a group and the number of passes were tried too. The order of a "
        "user's rows says more than any of this: see `markov`, and `ease`, which tries how many of the last ones to "
        "count.",
    ),
)

if __name__ == "__main__":
    main("bench-quality-ncf", __doc__ or "", PARTS)
