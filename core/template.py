"""How chat templates are asked: the same where answers are given and where they are learnt."""

from __future__ import annotations

# What people read and vote on is the answer, so there is no thought before it. Qwen3 and others
# know the word (https://qwen.readthedocs.io, "Thinking & Non-Thinking Modes"), the rest ignore it.
NO_THOUGHTS = {"enable_thinking": False}
