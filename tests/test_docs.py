"""What the documents name exists: commands, files, links, settings."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from kuberec.cli.app import app
from kuberec.config import load_config
from kuberec.dataset import parse_dataset_spec

ROOT = Path(__file__).parent.parent
FOLDERS = [ROOT / name for name in ("notebooks", "loadtest", "manifests", "manifests/third-party", "argocd")]
PAGES = [ROOT / "README.md", *(folder / "README.md" for folder in FOLDERS), *sorted((ROOT / "docs").rglob("*.md"))]
README = PAGES[0].read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_command_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    verbs = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert "demo" in verbs
    assert set(re.findall(r"\.venv/bin/kuberec ([a-z][a-z-]*)", text)) <= verbs
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert set(re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets


def tree_entries() -> Iterator[str]:
    section = README.partition("## Where things are")[2].partition("\nRead on")[0]
    yield from re.findall(r"^ {4}(\S+) ", section, re.MULTILINE)


def test_the_tree_of_the_readme_is_the_tree() -> None:
    entries = list(tree_entries())
    assert len(entries) > 10
    assert not [entry for entry in entries if not (ROOT / entry).exists()]
    packages = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert packages <= {entry.rstrip("/") for entry in entries}


def test_the_dataset_of_the_readme_can_be_read() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    spec = parse_dataset_spec(text, "README.md")
    assert spec.items
    assert spec.items.title == "name"


def test_the_settings_of_the_readme_exist() -> None:
    settings = re.findall(r"--set (\S+=\S+)", README)
    assert settings
    load_config(None, settings)


def test_every_target_says_what_it_does() -> None:
    (listed,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    described = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert set(listed.split()) == described
