"""What becomes of a test where vLLM is not."""

import os

import pytest


def not_installed(why):
    """It is 3 GB, and the ordinary tests do without; `make test-vllm` does not."""
    if os.environ.get("MYNAH_VLLM") == "must":
        pytest.fail(f"`make vllm` has run, and yet: {why}")
    pytest.skip(f"vLLM is not installed: {why}")
