"""Every family beside every baseline: MovieLens-100K split by time, MovieLens-1M by leave-one-out.

    .venv/bin/python benchmarks/quality/table.py --data DIR [--only temporal-ml-100k]

DIR holds the folders ml-100k and ml-1m. Writes its sections of docs/benchmarks.md; the last line is one JSON object.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.named import Part, main
from benchmarks.quality.protocols import Protocol
from benchmarks.quality.report import Column, Published
from kuberec.baselines import BASELINES

BERT4REC = "README of blondered/bert4rec_repro"
COLUMNS = (
    Column("full", "ndcg@10"),
    Column("full", "ndcg@10", lead_over="popularity"),
    Column("full", "recall@10"),
    Column("full", "hr@10"),
)

PARTS = (
    Part(
        name="temporal-ml-100k",
        title="Split by time, MovieLens-100K",
        folder="ml-100k",
        protocol=Protocol.TEMPORAL,
        columns=COLUMNS,
        references=BASELINES,
        comparison="The way a deployed model meets the world: nothing after the cut is known of anybody. Ratings "
        "from 4 are positives.",
    ),
    Part(
        name="leave-one-out-ml-1m",
        title="Leave-one-out, MovieLens-1M",
        folder="ml-1m",
        protocol=Protocol.LEAVE_ONE_OUT,
        columns=COLUMNS,
        references=BASELINES,
        published=(
            Published("MF-BPR", BERT4REC, {"full ndcg@10": 0.0377, "full hr@10": 0.0740}),
            Published("SASRec, 1 negative", BERT4REC, {"full ndcg@10": 0.1078, "full hr@10": 0.1993}),
        ),
        comparison="Each user's last item is test. The data has an order within each user and no times, so that "
        "popularity of late and trends play no part; which of several films of the same second comes last is "
        "arbitrary and differs between published figures.",
    ),
)

if __name__ == "__main__":
    main("bench-quality-table", __doc__ or "", PARTS)
