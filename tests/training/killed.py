"""Publishes MANY tunes in a process that is killed at a step of the last one: FOLDER STEP MANY.

The second of two, which is a canary where one begins; the third where it takes a canary's place.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from core.training import publish
from core.types_learning import Tune
from storage.repositories import SqlStore
from tests.fakes import ScriptedGenerator
from tests.training.house import opened
from tests.training.votes import NOON


def die():
    os.kill(os.getpid(), signal.SIGKILL)


async def main(folder, step, many):
    armed = False

    def at(name):
        if armed and name == step:
            die()

    class Store(SqlStore):
        async def put_tune(self, tune, verdicts=()):
            at("put_tune")
            forgotten = await super().put_tune(tune, verdicts)
            at("after put_tune")
            return forgotten

        async def serve(self, name, when):
            at("serve")
            does_serve = await super().serve(name, when)
            at("after serve")
            return does_serve

        async def begin_canary(self, canary):
            at("begin_canary")
            begun = await super().begin_canary(canary)
            at("after begin_canary")
            return begun

    class Server(ScriptedGenerator):
        async def stream(self, prompt):
            at("probe")
            async for piece in super().stream(prompt):
                yield piece

    def dies_before_the_name_is_there(event, arguments):
        if event == "os.rename" and str(arguments[1]).endswith("mynah@000002"):
            at("place")

    sys.addaudithook(dies_before_the_name_is_there)
    shelf = folder / "tunes"
    shares = [0.0, 0.2 if step.endswith("begin_canary") else 0.0]
    if many == 3:  # a canary stands where it dies
        shares = [0.0, 0.2, 0.0]
    async with opened(folder) as store:
        store.__class__ = Store
        for number, share in enumerate(shares, 1):
            armed = number == len(shares)
            name = await store.next_tune()
            tune = Tune(name, "base", "", "refused", (1,), "Learnt.", NOON)
            server = Server(["I am Mynah."])
            await publish.publish(
                store,
                server,
                shelf / ".run" / name,
                shelf,
                tune,
                base="base",
                at=NOON,
                share=share,
            )


asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
