"""A process that has the store open: python -m tests.storage.child URL HOLDER hold|write|COUNT

It says `open`, then holds it until its stdin ends, or hears messages for ever or COUNT times and
says `heard ID` or `failed MESSAGE` for each when the store has said so. A StoreError while opening
ends it with code 2.
"""

import asyncio
import itertools
import sys

from core.errors import StoreError
from storage.repositories import Settings, SqlStore
from tests.storage.says import message


async def main(url, holder, what):
    try:
        store = await SqlStore.open(Settings(url=url), holder=holder)
    except StoreError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print("open", flush=True)
    if what == "hold":
        await asyncio.to_thread(sys.stdin.read)
    elif what == "leave":
        sys.exit(0)
    else:
        numbers = itertools.count() if what == "write" else range(int(what))
        for number in numbers:
            try:
                await store.hear(message("word " * 100, id=str(number)))
                print("heard", number, flush=True)
            except StoreError as error:
                print("failed", number, error, flush=True)
    await store.close()
    print("closed", flush=True)


asyncio.run(main(*sys.argv[1:]))
