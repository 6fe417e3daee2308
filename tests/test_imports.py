"""The arrows of the house: kuberec ← models ← components ← pipelines; the library knows no orchestrator."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("kuberec", "models", "components", "pipelines", "loadtest")
ORCHESTRATORS = {"kfp", "kubernetes", "kubeflow", "locust", "gevent"}
TOOLS = {"tests", "benchmarks"}


def modules_imported_by(path: Path) -> set[str]:
    """Every module that a file imports, also inside its functions; `from .` stays within its own folder."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"{path} reaches out of its folder"
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def top_level(path: Path) -> set[str]:
    return {module.partition(".")[0] for module in modules_imported_by(path)}


def sources(layer: str) -> Iterator[Path]:
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files, f"{layer} holds no code"
    yield from files


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_imports_one_above_it(layer: str) -> None:
    forbidden = set(LAYERS[LAYERS.index(layer) + 1 :]) | TOOLS
    for path in sources(layer):
        assert not top_level(path) & forbidden, path


@pytest.mark.parametrize("layer", ["kuberec", "models"])
def test_what_thinks_knows_no_orchestrator(layer: str) -> None:
    for path in sources(layer):
        assert not top_level(path) & ORCHESTRATORS, path


def test_a_component_needs_nothing_of_the_library_before_its_body_runs() -> None:
    for path in sources("components"):
        at_module_level = {
            module
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for module in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        assert at_module_level <= {"kfp", "components", "typing"}, path


def test_the_load_test_needs_the_library_only() -> None:
    for path in sources("loadtest"):
        assert not top_level(path) & {"models", "components", "pipelines"}, path


def test_families_do_not_import_each_other() -> None:
    families = [path for path in (ROOT / "models").iterdir() if (path / "__init__.py").is_file()]
    assert len(families) >= 2
    for family in families:
        others = {f"models.{other.name}" for other in families if other != family}
        for path in family.rglob("*.py"):
            assert not modules_imported_by(path) & others, path


def test_every_test_folder_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


def test_every_step_has_the_same_name_in_its_four_places() -> None:
    steps = sorted(path.parent.name for path in (ROOT / "components").glob("*/component.py"))
    assert len(steps) == 10
    pipeline = (ROOT / "pipelines" / "training.py").read_text(encoding="utf-8")
    for step in steps:
        assert (ROOT / "kuberec" / f"{step}.py").is_file(), f"kuberec/{step}.py"
        assert (ROOT / "tests" / "kuberec" / f"test_{step}.py").is_file(), f"tests/kuberec/test_{step}.py"
        assert f"from components.{step}.component import {step}" in pipeline
