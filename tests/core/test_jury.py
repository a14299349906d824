"""Whose votes decide about a canary."""

from datetime import timedelta

from core.canary import is_drawn
from core.jury import ASKED_EVERY, Jury
from core.regulars import ENOUGH
from core.types import Author, ChannelRef, Feedback, IncomingMessage, MessageRef, Recipe, ThreadRef
from core.types_learning import Canary, Tune
from tests.core.room import NOW

SERVING, TUNE = "mynah@000001", "mynah@000002"
CANARY = Canary(TUNE, 0.5, None, NOW)
TEAM, CONSOLE = (ChannelRef(platform, "me", "room") for platform in ("team", "console"))


async def begun(store):
    for name in (SERVING, TUNE):
        await store.put_tune(Tune(name, "base", "there", "passed", (), "Learnt.", NOW))
    await store.serve(SERVING, NOW)
    await store.begin_canary(CANARY)


async def said(store, who, channel=TEAM, *, thread="", model=SERVING, score=1, at=NOW):
    """A question that this model answered, and the vote of whoever asked."""
    id = f"{who} {thread} {at}"
    ref = MessageRef(channel, id)
    turn = await store.hear(
        IncomingMessage(ref, ThreadRef(channel, thread), Author(who, who), "So?", True, at)
    )
    await store.began(turn.id, Recipe(model, "", None, "digest"))
    await store.settle(turn.id, "So.", "answered")
    await store.finish(turn.id)
    if score:
        await store.put_feedback(Feedback(turn.id, who, score, at))


def threads(channel, drawn):
    names = (f"{channel.platform} {n}" for n in range(1000))
    return [name for name in names if is_drawn(CANARY, ThreadRef(channel, name)) == drawn]


async def test_where_no_lot_falls_votes_decide_nothing(store):
    await begun(store)
    for channel in (TEAM, CONSOLE):
        for thread in threads(channel, drawn=False)[:3]:
            await said(store, "ann", channel, thread=thread)
    assert await Jury(store, ["team"]).votes(CANARY, SERVING) == [(False, True)] * 3
    assert await Jury(store, ["team", "console"]).votes(CANARY, SERVING) == [(False, True)] * 6
    assert await Jury(store, ()).votes(CANARY, SERVING) == []


async def test_who_is_known_elsewhere_in_the_house_makes_others_new(store):
    other = ChannelRef("other", "me", "room")
    for number in range(ENOUGH):
        await said(store, f"old {number}", other, at=NOW - timedelta(days=2))
        await said(store, f"old {number}", other, at=NOW)
    await begun(store)
    jury = Jury(store, ["team", "other"])
    for number, thread in enumerate(threads(TEAM, drawn=True)[:10]):
        await said(store, f"made {number}", thread=thread, model=TUNE, score=-1)
    assert await jury.votes(CANARY, SERVING) == []


async def test_who_came_back_is_asked_for_every_ten_minutes_and_where_somebody_is_unknown(store):
    clock = [NOW]
    for number in range(ENOUGH):
        await said(store, f"old {number}", at=NOW - timedelta(days=2))
        await said(store, f"old {number}")
    await begun(store)
    one, other = threads(TEAM, drawn=False)[:2]
    jury = Jury(store, ["team"], now=lambda: clock[0])
    await said(store, "new", thread=one)
    assert await jury.votes(CANARY, SERVING) == []
    await said(store, "new", thread=other, at=NOW + timedelta(days=1))
    assert await jury.votes(CANARY, SERVING) == []  # not asked for again so soon
    clock[0] += ASKED_EVERY
    assert await jury.votes(CANARY, SERVING) == [(False, True)] * 2
