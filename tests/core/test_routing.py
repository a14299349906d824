"""By what a router before several servers keeps a conversation on one of them."""

import re

from core.connection import Settings
from core.desk import serve
from core.generation import ModelServer
from tests.core.generation_client import client, prompt, read
from tests.core.room import ListAdapter, asked, engine_on


async def test_the_turns_of_a_conversation_have_one_key_and_another_has_another(server, store):
    keys = []
    for id, thread in (("1", "one"), ("2", "two"), ("3", "one"), ("4", "")):
        # A client of its own, as after a restart.
        async with ModelServer(Settings(url=server.url, model="base")) as model:
            await serve(engine_on(store, model), ListAdapter(asked("hi", id, thread)))
        keys.append(server.sessions[-1])
    first, second, first_again, channel = keys
    assert len(server.requests) == 4
    assert first == first_again
    assert len({first, second, channel}) == 3
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)  # no platform's id


async def test_every_request_has_a_key_so_that_a_router_looks_for_none_in_the_text(server):
    async with client(server) as model:
        await model.count(["my cat is called Przybylski"])
        await read(model, prompt())
    assert server.tokenized == 1
    assert len(server.sessions) == 2
    assert all(server.sessions)
