"""The house rules that a machine can hold: import contracts, lazy start-up, what travels in the wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("numpy", "pandas", "scipy", "duckdb", "pyarrow", "matplotlib", "statsmodels", "pydantic", "ruamel", "typst")


def python(*arguments, **options):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **options)


def test_import_contracts_hold():
    done = python("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from evaluation.cli import call; call(['--help']);"
        f"sys.stderr.write(','.join(m for m in {HEAVY!r} if m in sys.modules))"
    )
    done = python("-c", code)
    assert done.stderr == ""
    assert "check" in done.stdout


def test_importing_the_package_does_no_work():
    done = python(
        "-c", "import sys; before = set(sys.modules); import evaluation; print(len(set(sys.modules) - before))"
    )
    assert int(done.stdout) == 1


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    done = python("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_package_data_travel_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("data_dictionary", "reports", "studies"):
        for source in (ROOT / folder).rglob("*"):
            if source.is_file():
                assert f"evaluation/_files/{source.relative_to(ROOT)}" in names
    assert not [n for n in names if n.endswith(".parquet")]


def test_the_wheel_works_from_any_folder(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    code = "import sys, evaluation; from evaluation.cli import call; print(evaluation.__file__); sys.exit(call(sys.argv[1:]))"
    for command in (["methods", "cox"], ["examples"], ["check", "transition_aid"]):
        done = python("-c", code, *command, cwd=empty, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert str(tmp_path / "site") in done.stdout
