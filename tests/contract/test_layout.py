"""Rules of the house that a machine can hold."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [p for top in ("broker", "operator") for p in (ROOT / top).rglob("*.py")]
MAX_LINES, MAX_FUNCTION, MAX_SQL = 400, 50, 250


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION, node.name


def test_sql_files_stay_small() -> None:
    for path in (ROOT / "broker").rglob("*.sql"):
        assert len(path.read_text().splitlines()) <= MAX_SQL, path


def test_no_package_marker_where_it_bites() -> None:
    for folder in ("broker", "operator", "tests", "tests/unit/operator"):
        assert not (ROOT / folder / "__init__.py").exists(), folder


def test_the_standard_library_is_intact_from_the_root() -> None:
    code = "import operator; operator.itemgetter"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), path


def test_requirements_name_no_address() -> None:
    for path in (ROOT / "requirements").iterdir():
        assert "://" not in path.read_text()
