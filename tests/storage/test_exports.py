"""Which data sets were exported, and that whatever is forgotten marks them, on both databases."""

import pytest

from core.types import Feedback
from tests.storage.says import CHANNEL, MORNING, answered, reply

FORGETS = {
    "a turn": lambda store, id: store.forget_turn(id, "U1"),
    "a person": lambda store, id: store.forget_person("slack", CHANNEL.account, "U1"),
    "a voter": lambda store, id: store.forget_person("slack", CHANNEL.account, "U2"),
    "a deletion": lambda store, id: store.change(reply("said"), None),
}


@pytest.mark.parametrize("what", FORGETS)
async def test_what_is_forgotten_marks_every_export(store, what):
    id = await answered(store, id="said")
    await store.put_feedback(Feedback(id, "U2", 1, MORNING))
    for folder in ("/b", "/a", "/b"):
        await store.put_export(folder)
    assert await store.exports() == {"/a": 0, "/b": 0}
    await FORGETS[what](store, id)
    found = await store.exports()
    assert list(found) == ["/a", "/b"]
    assert all(found.values())
    await store.put_export("/a")
    assert await store.exports() == found


async def test_a_cut_says_nothing_of_what_is_forgotten_meanwhile(store):
    first, second = await answered(store), await answered(store, id="2")
    await store.put_export("/a")
    await store.put_export("/b")
    await store.forget_turn(first, "U1")
    seen = await store.exports()
    await store.forget_turn(second, "U1")
    now = await store.exports()
    await store.cut_export("/a", seen["/a"])
    assert await store.exports() == now
    await store.cut_export("/a", now["/a"])
    assert await store.exports() == {"/a": 0, "/b": now["/b"]}
