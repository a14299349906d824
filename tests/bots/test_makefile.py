"""Which PyTorch `make` installs, and when it does so anew."""

import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
CPU, CUDA = "TORCH_INDEX=https://example.invalid/cpu", "TORCH_INDEX="


def steps(venv, index):
    """What `make run` would do."""
    command = ["make", "-n", "run", f"VENV={venv}", index]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def installed(tmp_path):
    """Makes an environment with nothing but the marks that a first run leaves."""

    def make(index):
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "python").touch()
        for line in steps(tmp_path, index).splitlines():
            if line.startswith("touch "):
                Path(line.removeprefix("touch ")).touch()
        return tmp_path

    return make


@pytest.mark.parametrize("index", [CPU, CUDA])
def test_what_is_installed_is_not_installed_again(installed, index):
    assert "pip" not in steps(installed(index), index)


@pytest.mark.parametrize(("before", "after"), [(CPU, CUDA), (CUDA, CPU)])
def test_another_build_takes_the_place_of_the_one_that_is_there(installed, before, after):
    again = steps(installed(before), after)
    assert "--force-reinstall torch==" in again
    assert "rm -f" in again  # the other's mark: else the way back would be closed
    assert "'.[local,train]'" in again  # what the build needs beside it
    assert ("CPU build" in again) == (after == CPU)
    assert ("CUDA build" in again) == (after == CUDA)
