"""What a stored result depends on besides its arguments: code, as a hash."""

import ast
from collections.abc import Iterator
from pathlib import Path

from kuberec.fingerprint import digest

ROOT = Path(__file__).resolve().parents[2]


def code_digest(*names: str) -> str:
    """Hash of what Python files and packages say, without comments, docstrings and layout.

    Args:
        names: Paths of files or folders, relative to the repository.
    """
    files = sorted(path for name in names for path in _sources(ROOT / name))
    return digest([[str(path.relative_to(ROOT)), _meaning(path)] for path in files])


def _sources(path: Path) -> Iterator[Path]:
    yield from [path] if path.is_file() else path.rglob("*.py")


def _meaning(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
