"""Items and users that nobody has seen in training: a tenth of each withheld, ranked by their features alone.

    .venv/bin/python benchmarks/quality/cold.py --data DIR [--only cold-items-ml-100k]

DIR holds the folders ml-100k and ml-1m. Writes its sections of docs/benchmarks.md; the last line is one JSON object.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.quality.named import Part, main
from benchmarks.quality.protocols import Protocol
from benchmarks.quality.report import Column

REFERENCES = ("popularity", "random")
ITEMS = (
    "Popularity knows nothing of a withheld item: all of them tie at zero, and it falls back on the order of the ids, "
    "below every known item. `random` draws an order for each user; it is what knowing nothing is worth. No published "
    "figures are known for this protocol."
)
USERS = (
    "Nothing is known of a withheld user but the features in the users table; popularity gives everybody the same "
    "list. Each training seed withholds another tenth of the users, so that more are judged; who is drawn twice counts "
    "twice, ± is the deviation over the tenths, and the counts above are those of the first. No published figures are "
    "known for this protocol."
)


def cold_items(name: str, title: str, folder: str) -> Part:
    """A table of withheld items."""
    shown = (("cold", ""), ("cold", "popularity"), ("cold", "random"), ("full", ""), ("full", "popularity"))
    columns = tuple(Column(view, "ndcg@10", reference) for view, reference in shown)
    return Part(name, title, folder, Protocol.COLD_ITEMS, columns, REFERENCES, comparison=ITEMS)


def cold_users(name: str, title: str, folder: str) -> Part:
    """A table of withheld users."""
    columns = (
        Column("full", "ndcg@10"),
        Column("full", "ndcg@10", lead_over="popularity"),
        Column("full", "recall@10"),
    )
    return Part(name, title, folder, Protocol.COLD_USERS, columns, REFERENCES, comparison=USERS, redrawn=True)


PARTS = (
    cold_items("cold-items-ml-100k", "Cold items, MovieLens-100K", "ml-100k"),
    cold_users("cold-users-ml-100k", "Cold users, MovieLens-100K", "ml-100k"),
    cold_items("cold-items-ml-1m", "Cold items, MovieLens-1M", "ml-1m"),
    cold_users("cold-users-ml-1m", "Cold users, MovieLens-1M", "ml-1m"),
)

if __name__ == "__main__":
    main("bench-quality-cold", __doc__ or "", PARTS)
