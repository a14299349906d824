"""How often calls may go out to Telegram, and who waits when it says that this was too often."""

from __future__ import annotations

from core.streaming import Tempo

# A message a second in a chat, in short bursts more; 20 a minute in a group; about 30 a second in
# all, of which two are left to whatever the network pushes together. An edit counts.
# https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
RATES = {"private": (20, 20.0), "group": (20, 60.0), "bot": (28, 1.0)}
EVERY_S = {"private": 1.1, "group": 3.1}
BOT = "bot:all"
ROUNDED_S = 1.5  # it says whole seconds


def kind(chat: int) -> str:
    return "private" if chat > 0 else "group"


def keys(chat: int) -> tuple[str, str]:
    return f"{kind(chat)}:{chat}", BOT


class Pace(Tempo):
    """Telegram does not say which of its limits was met, that of a chat or that of all together.

    So only the chat waits, unless another one waits for the same moment: a penalty of one group's
    must not silence the bot everywhere.
    """

    def hold(self, seconds: float, *keys: str) -> None:
        others = [key for key in self._held_until if key not in (*keys, BOT)]
        is_alike = any(abs(self.held_s(key) - seconds) <= ROUNDED_S for key in others)
        super().hold(seconds, *(key for key in keys if key != BOT or is_alike))
