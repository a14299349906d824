"""The lists of deliberate defects fit the adapters as they are: `make defects` runs them."""

import pytest

from tests.defects import PLATFORMS, TREE, applied
from tests.defects_first import FIRST


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_defect_applies_once_and_leaves_a_program(platform):
    for defect in PLATFORMS[platform]:
        file = defect[1]
        compile(applied((TREE / file).read_text(), defect), file, "exec")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_adapter_has_forty_defects_of_its_own(platform):
    defects = PLATFORMS[platform]
    own = {name for name, file, *_ in defects if file.startswith(f"adapters/{platform}")}
    assert len(own) >= 40
    assert len({name for name, *_ in defects}) == len(defects)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_is_tested_first_exists(platform):
    first = FIRST[platform]
    assert first.keys() <= {name for name, *_ in PLATFORMS[platform]}
    tests = TREE / "tests"
    contract = "".join(path.read_text() for path in (tests / "contract").glob("*.py"))
    for test in first.values():
        file, *_, name = test.split("::")
        assert f"def {name}(" in contract + (tests / "adapters" / file).read_text()
