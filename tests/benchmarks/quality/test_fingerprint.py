from pathlib import Path

import pytest

from benchmarks.quality import fingerprint
from benchmarks.quality.fingerprint import code_digest

CODE = '''"""A module."""

LIMIT = 3
"""Its limit."""


def double(x: int) -> int:
    """Twice."""
    return 2 * x
'''


def digest_of(root: Path, text: str) -> str:
    (root / "code.py").write_text(text, encoding="utf-8")
    return code_digest("code.py")


def test_comments_and_docstrings_do_not_count_and_code_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    first = digest_of(tmp_path, CODE)
    assert digest_of(tmp_path, CODE.replace("Twice.", "Two times.").replace("Its limit.", "The limit.")) == first
    assert digest_of(tmp_path, CODE + "\n# A comment.\n") == first
    assert digest_of(tmp_path, CODE.replace("2 * x", "3 * x")) != first
    assert digest_of(tmp_path, CODE.replace("LIMIT = 3", "LIMIT = 4")) != first


def test_a_folder_counts_with_all_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    (tmp_path / "package" / "inner").mkdir(parents=True)
    first = code_digest("package")
    (tmp_path / "package" / "inner" / "new.py").write_text("x = 1\n", encoding="utf-8")
    assert code_digest("package") != first
