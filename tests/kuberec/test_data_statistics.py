import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kuberec.data_report import findings, render_data_report
from kuberec.ingest import ingest
from kuberec.validate import validate

DAY = 86_400
RNG = np.random.default_rng(7)
USERS = RNG.integers(0, 40, 2000)
ITEMS = (60 * RNG.random(2000) ** 3).astype(int)
TIMES = RNG.permutation(2000) * 7_000


def describe(folder: Path, lines: list[str], spec: str = "", how: str = "") -> dict[str, Any]:
    (folder / "events.csv").write_text("user_id,item_id,event_type,value,timestamp\n" + "\n".join(lines) + "\n")
    (folder / "dataset.yaml").write_text(f"name: test\ninteractions: {{path: events.csv{how}}}\n" + spec)
    ingest(str(folder / "dataset.yaml"), folder / "dataset")
    validate(folder / "dataset", folder / "out", max_bad_share=0.5)
    return dict(json.loads((folder / "out" / "statistics.json").read_text()))


@pytest.fixture
def lines() -> list[str]:
    columns = zip(USERS, ITEMS, TIMES, strict=True)
    return [f"u{u},i{i},{'buy' if t % 3 else 'view'},{u % 5},{t}" for u, i, t in columns]


def test_counts_and_spread_are_those_of_numpy(tmp_path: Path, lines: list[str]) -> None:
    found = describe(tmp_path, lines, "positive: {min_value: 3, event_types: [buy]}\n")
    per_user = np.unique(USERS, return_counts=True)[1]
    per_item = np.unique(ITEMS, return_counts=True)[1]
    overview = found["interactions"]
    assert (overview["rows"], overview["users"], overview["items"]) == (2000, len(per_user), len(per_item))
    assert overview["density"] == pytest.approx(2000 / (len(per_user) * len(per_item)))
    assert overview["positives"] == int(((USERS % 5 >= 3) & (TIMES % 3 != 0)).sum())
    assert overview["mean_value"] == pytest.approx((USERS % 5).mean())
    assert overview["out_of_time_order"] == int((np.diff(TIMES) < 0).sum())
    for part, degrees in (("per_user", per_user), ("per_item", per_item)):
        for name, share in (("min", 0), ("p25", 0.25), ("median", 0.5), ("p90", 0.9), ("max", 1)):
            expected = np.quantile(degrees, share, method="inverted_cdf")
            assert found[part][name] == expected, (part, name)
        assert found[part]["single"] == (degrees == 1).sum()
    head = np.sort(per_item)[::-1][: round(0.2 * len(per_item))]
    assert found["per_item"]["head_share"] == pytest.approx(head.sum() / 2000)
    assert found["long_tail"]["rank"][0] == 1
    assert found["long_tail"]["interactions"][0] == per_item.max()
    assert found["long_tail"]["interactions"][-1] == per_item.min()


def test_values_event_types_and_time_line(tmp_path: Path, lines: list[str]) -> None:
    found = describe(tmp_path, lines)
    assert found["values"] == {"label": ["0", "1", "2", "3", "4"], "rows": np.bincount(USERS % 5).tolist()}
    assert found["event_types"] == {"buy": int((TIMES % 3 != 0).sum()), "view": int((TIMES % 3 == 0).sum())}
    days = np.bincount(TIMES // DAY)
    assert found["timeline"]["unit"] == "day"
    assert found["timeline"]["rows"] == days[days > 0].tolist()
    assert found["interactions"]["first_time"] == "1970-01-01T00:00:00Z"


def test_ranks_within_users_have_no_time_line(tmp_path: Path) -> None:
    lines = [f"u{user},i{rank},view,1,{rank}" for user in range(3) for rank in range(4)]
    found = describe(tmp_path, lines, how=", timestamp_format: order")
    assert (found["timeline"], found["interactions"]["first_time"], found["interactions"]["last_time"]) == (None,) * 3
    assert found["interactions"]["out_of_time_order"] == 0
    assert findings(found)[0].startswith("12 interactions of 3 users with 4 items, each user's in their order, without")
    assert not any("1970" in sentence for sentence in findings(found))
    assert render_data_report("test", found).count("data:image/svg+xml;base64,") == 3


def test_many_values_fall_into_twenty_ranges(tmp_path: Path) -> None:
    found = describe(tmp_path, [f"u,i{n},view,{n},{n}" for n in range(101)])
    assert found["values"]["rows"] == np.histogram(np.arange(101), bins=20)[0].tolist()
    assert found["values"]["label"][0] == "0 – 5"


def test_the_page_tells_what_was_refused_and_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,price,image\ni1,cheap,1|2\ni4,,1|x\ni5,,3|4\ni3,,3\n")
    spec = "items: {path: items.csv, features: {price: numeric, image: embedding}}\n"
    found = describe(tmp_path, ["u,i1,<b>view</b>,1,5", "u,i2,view,1,4", "u,i2,view,1,4", "bad"], spec)
    assert found["quarantine"]["interactions"] == {
        "in": 4,
        "out": 2,
        "quarantined": 2,
        "reasons": {"5 fields expected, 1 found": 1, "exact duplicate of an earlier row": 1},
    }
    sentences = " ".join(findings(found))
    assert "1 interactions belong to 1 items that the table of items does not list" in sentences
    assert "1 items have a price that is no number" in sentences
    assert "1 items have a image that is no vector of finite numbers" in sentences
    assert "1 items have a image of another width than 2" in sentences
    page = render_data_report("test", found)
    assert "&lt;b&gt;view&lt;/b&gt;" in page
    assert "<b>view" not in page
    assert "embedding of 2 numbers" in page
    assert "exact duplicate of an earlier row" in page
    assert page.count("data:image/svg+xml;base64,") == 4
    assert "http" not in page.replace("http://www.w3.org", "")
