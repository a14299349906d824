"""What runs inside the embedded server's process: `transformers serve`, and an end with the bot.

    python -m core.embedded_child PORT

Its stdin is a pipe whose other end the bot holds. The kernel closes that end however the bot dies,
by kill -9 too, and then this process and all that it started end at once. By itself
`transformers serve` outlives its parent.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from typing import Any, Self, SupportsIndex

from core.priority import session_behind
from core.template import NO_THOUGHTS

# An idle model is dropped from memory after this time and read again for the next question: tunes
# come and go, and their folders' models must not stay for ever.
IDLE_S = 1800
BEHIND = 5  # of the session: the bot, and whoever types, go first


def main() -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    session_behind(BEHIND)
    # Not the command `transformers serve`: that one imports `transformers chat` beside it, which
    # wants a library (requests) that transformers[serving] does not bring.
    from transformers.cli.serve import Serve

    _correct()
    logging.getLogger("uvicorn.access").addFilter(lambda _: False)
    Serve(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        device="cpu",
        model_timeout=IDLE_S,
        log_level="error",
        chat_template_kwargs=json.dumps(NO_THOUGHTS),
    )


def _correct() -> None:
    """Two things that transformers 5.19.0 gets wrong for us, each with a test of its own."""
    from transformers.cli.serving.chat_completion import ChatCompletionHandler
    from transformers.cli.serving.model_manager import ModelManager

    manager: Any = ModelManager  # Any: their types forbid what follows
    handler: Any = ChatCompletionHandler
    build = handler._build_generation_config

    def sampling(self: Any, body: dict[str, Any], *rest: Any, **named: Any) -> Any:
        """A temperature means sampling; by itself the server does only what the folder says."""
        config = build(self, body, *rest, **named)
        config.do_sample = config.do_sample or bool(body.get("temperature"))
        return config

    handler._build_generation_config = sampling
    manager.process_model_name = staticmethod(_Folder)


class _Folder(str):
    """A model's folder as the server keeps it, "folder@revision", taken apart at the last "@".

    The server takes it apart at the first one: it would find neither a tune in mynah@000042 nor any
    model in the home of me@example.org.
    """

    def __new__(cls, folder: str) -> Self:
        return super().__new__(cls, f"{folder}@main")

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self.rsplit(sep, maxsplit)


def end_with_parent() -> None:
    """Block until stdin closes, then end this process at once, and its group where it leads one."""
    while os.read(0, 1):
        pass
    if os.getpgrp() == os.getpid():  # as core.embedded starts it: the group is ours alone
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
