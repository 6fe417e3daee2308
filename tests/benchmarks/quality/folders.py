"""Small folders of interaction data in each of the forms that the quality benchmarks read."""

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

USERS, ITEMS, EACH = 40, 130, 8
"""More items than `ncf` draws beside a user's own."""

History = Mapping[str, Sequence[str]]


def histories(seed: int = 0) -> History:
    """Users of four tastes with their items in time order; every item was taken by somebody."""
    rng = np.random.default_rng(seed)
    taken = {}
    for user in range(USERS):
        own = [item for item in range(ITEMS) if item % 4 == user % 4]
        chosen = [(user * 4 + offset) % ITEMS for offset in range(4)]
        others = [item for item in own if item not in chosen]
        items = [*chosen, *rng.choice(others, EACH - 4, replace=False)]
        taken[f"u{user}"] = [f"i{item}" for item in items]
    return taken


def write_sequences(folder: Path, taken: History) -> Path:
    """One line a user, with attributes of the items beside it."""
    folder.mkdir(parents=True)
    lines = [" ".join([user, *items]) for user, items in taken.items()]
    (folder / "sequences.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    items = sorted({item for own in taken.values() for item in own})
    attributes = {item: [int(item[1:]) % 4, 10 + int(item[1:]) % 3] for item in items}
    with gzip.open(folder / "x_item2attributes.json.gz", "wt", encoding="utf-8") as stream:
        json.dump(attributes, stream)
    return folder


def write_movielens_sequences(folder: Path) -> Path:
    """Sequences of MovieLens-1M with its tables of users and movies beside them."""
    folder.mkdir(parents=True)
    (folder / "sequences.txt").write_text("1 10 30 20\n2 30 10 40\n", encoding="utf-8")
    (folder / "users.dat").write_text("1::F::25::3::12345\n2::M::50::7::54321\n", encoding="utf-8")
    movies = "10::Amélie (2001)::Comedy|Romance\n20::B (1990)::Drama\n30::C (1980)::Drama\n40::D (1970)::War\n"
    with gzip.open(folder / "movies.dat.gz", "wt", encoding="latin-1") as stream:
        stream.write(movies)
    return folder


def write_ncf(folder: Path, taken: History, negatives: bool = True, doubled: Sequence[str] = ()) -> Path:
    """The NCF paper's files; the negatives of the `doubled` users hold their own test item."""
    folder.mkdir(parents=True)
    train = [f"{user}\t{item}\t1\t{time}" for user, own in taken.items() for time, item in enumerate(own[:-1], 7)]
    with gzip.open(folder / "x.train.rating.gz", "wt", encoding="utf-8") as stream:
        # Rows out of order: only the times tell which comes last.
        stream.write("\n".join(reversed(train)) + "\n")
    test = [f"{user}\t{own[-1]}\t5\t978300760" for user, own in taken.items()]
    (folder / "x.test.rating").write_text("\n".join(test) + "\n", encoding="utf-8")
    if negatives:
        rows = [f"({user},{own[-1]})\t" + "\t".join(_others(own, user in doubled)) for user, own in taken.items()]
        (folder / "x.test.negative").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def _others(own: Sequence[str], doubled: bool) -> list[str]:
    others = [f"i{item}" for item in range(ITEMS) if f"i{item}" not in own][:5]
    return [own[-1], *others[1:]] if doubled else others


def write_recbole(folder: Path) -> Path:
    """Atomic files with features of users and items."""
    folder.mkdir(parents=True)
    inter = "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\tb\t2\t200\nu1\ta\t5\t100\nu2\ta\t4\t50\n"
    (folder / "shop.inter").write_text(inter, encoding="utf-8")
    (folder / "shop.user").write_text("user_id:token\tage:float\nu1\t30\nu2\t40\n", encoding="utf-8")
    items = "item_id:token\tclass:token_seq\tbrand:token\na\tred warm\tx\nb\tblue\ty\n"
    (folder / "shop.item").write_text(items, encoding="utf-8")
    return folder


def write_contract(folder: Path, taken: History) -> Path:
    """A `dataset.yaml` with a CSV beside it; every third rating is below the rule for positives."""
    folder.mkdir(parents=True)
    rows = [(user, item, time) for user, own in taken.items() for time, item in enumerate(own)]
    lines = [f"{user},{item},{5 - number % 3},{number * 1000 + time}" for number, (user, item, time) in enumerate(rows)]
    (folder / "events.csv").write_text("user_id,item_id,value,timestamp\n" + "\n".join(lines) + "\n", encoding="utf-8")
    spec = "name: shop\ninteractions: {path: events.csv}\npositive: {min_value: 4}\n"
    (folder / "dataset.yaml").write_text(spec, encoding="utf-8")
    return folder
