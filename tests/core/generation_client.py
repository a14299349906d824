"""What the tests of the model's client share: a client on a fake server, and one question.

The fixture `server` is in conftest.py.
"""

from contextlib import asynccontextmanager

from core.breaker import Breaker
from core.connection import Settings
from core.errors import (
    GenerationError,
)
from core.generation import ModelServer
from core.types import Prompt

KEY = "sk-very-secret"
SECRET_WORDS = "my cat is called Przybylski"


def prompt(text="hello", model="fake"):
    return Prompt((("system", "Be kind."), ("user", text)), model, max_tokens=99, temperature=0.5)


@asynccontextmanager
async def client(server, *, breaker=None, backoff_s=(0.01, 0.02), **settings):
    deadlines = {"first_token_within_s": 2, "between_tokens_within_s": 0.3, "answer_within_s": 5}
    chosen = Settings(url=server.url, model="fake", **{**deadlines, **settings})
    breaker = breaker or Breaker(every_s=0.1)
    async with ModelServer(chosen, breaker=breaker, backoff_s=backoff_s) as model:
        yield model


async def read(model, asked=None):
    """The text that came, and the error that ended it."""
    text = ""
    try:
        async for piece in model.stream(asked or prompt()):
            text += piece
    except GenerationError as error:
        return text, error
    return text, None
