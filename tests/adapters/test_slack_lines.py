"""Slack's connections and tokens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse

from adapters.slack import Settings, SlackAdapter, missing, who_am_i
from adapters.slack_calls import SILENT, Api, ApiError, new_ticket, open_session
from adapters.slack_socket import Line
from core.errors import AdapterError, Refused, StoreError
from tests.adapters.slack_served import (
    DIRECT,
    ROOM,
    moved_in,
    wait_s,
)
from tests.fake_slack import APP_TOKEN, BOT_TOKEN, FakeSlack
from tests.fakes import ListInbox, until

# Connections


async def test_two_connections_are_held_and_a_refresh_loses_nothing(house):
    assert house.slack.connections == 2
    await house.slack.refresh()
    house.slack.says("during the refresh", channel=DIRECT)
    await house.heard()
    await house.slack.until(lambda: house.slack.connections == 4 and house.slack.sockets == 2)
    await house.slack.until(lambda: not house.slack.unacknowledged)


async def test_one_cut_connection_is_not_noticed_by_anybody(house):
    house.slack._sockets[0]._req.transport.abort()
    house.slack.says("hello", channel=DIRECT)
    await house.heard()


def made(slack: FakeSlack, api: Api, **how) -> Line:
    app = AsyncApp(client=api.client, before_authorize=nothing, logger=SILENT, name="test")
    return Line(app, APP_TOKEN, partial(new_ticket, api, APP_TOKEN), SILENT, **how)


@asynccontextmanager
async def one_line(slack: FakeSlack, **how) -> AsyncIterator[Line]:
    """One connection, which hears nothing."""
    async with open_session() as session:
        line = made(slack, Api(BOT_TOKEN, slack.base_url, session), **how)
        await line.open()
        staying = asyncio.create_task(line.stay())
        yield line
        staying.cancel()
        await asyncio.gather(staying, return_exceptions=True)
        await line.close()


async def nothing(body) -> BoltResponse:
    return BoltResponse(status=200)


def kill(line: Line) -> None:
    """As the SDK's client dies now and then: nothing of it looks after the line any more."""
    client = line._handler.client  # type: ignore[union-attr]
    for task in (client.current_session_monitor, client.message_receiver):
        task.cancel()  # type: ignore[union-attr]


async def test_a_line_that_says_nothing_any_more_is_replaced(slack):
    async with one_line(slack, ping_s=0.1) as line:
        slack.muted = True
        await until(lambda: not line.is_up)
        slack.muted = False
        await until(lambda: line.is_up and slack.connections >= 2)


async def test_a_client_that_stays_dead_is_built_anew_however_often_that_fails(slack):
    async with one_line(slack, ping_s=0.1, dead_s=0.1) as line:
        kill(line)
        slack.fail("apps.connections.open", "500", times=2)
        slack.disconnect()
        await until(lambda: not line.is_up)
        await until(lambda: line.is_up and slack.connections == 2)
        assert slack.count("apps.connections.open") == 4


def asked_at(slack: FakeSlack) -> list[float]:
    """When it was asked for sockets."""
    return [call.at for call in slack.calls if call.method == "apps.connections.open"]


@pytest.mark.parametrize("is_dead", [False, True])
async def test_no_line_asks_for_a_socket_before_slack_wants_it(slack, is_dead):
    """Neither the SDK, which asks when it is sent away, nor we, who build anew what is dead."""
    async with open_session() as session:
        api = Api(BOT_TOKEN, slack.base_url, session)
        lines = [made(slack, api, ping_s=0.1, dead_s=dead_s) for dead_s in (0.1, 0.4)]
        for line in lines:
            await line.open()
        slack.fail("apps.connections.open", "ratelimited")
        if is_dead:
            for line in lines:
                kill(line)
        else:
            await slack._sockets[0].send_json({"type": "disconnect", "reason": "warning"})
            await slack.until(lambda: len(asked_at(slack)) == 3)
        slack.disconnect()
        staying = [asyncio.create_task(line.stay()) for line in lines]
        await until(lambda: slack.sockets == 2 and all(line.is_up for line in lines))
        _, _, limited_at, *later = asked_at(slack)
        assert len(later) == 2
        assert min(later) > limited_at + 1
        for task in staying:
            task.cancel()
        await asyncio.gather(*staying, return_exceptions=True)
        await asyncio.gather(*(line.close() for line in lines))


async def test_a_start_that_slack_puts_off_is_put_off(slack):
    slack.fail("apps.connections.open", "ratelimited")
    async with moved_in(slack) as house:
        limited_at, *later = asked_at(slack)
        assert min(later) > limited_at + 1
        await house.asked("hello", channel=DIRECT)


async def test_a_token_that_is_revoked_meanwhile_ends_the_line(slack):
    async with open_session() as session:
        line = made(slack, Api(BOT_TOKEN, slack.base_url, session), ping_s=0.1, dead_s=0.1)
        await line.open()
        kill(line)
        slack.fail("apps.connections.open", "invalid_auth", times=9)
        slack.disconnect()
        with pytest.raises(Refused, match="app_token_env"):
            await asyncio.wait_for(line.stay(), 5)
        await line.close()


async def test_doubled_deliveries_and_lost_acknowledgements_change_nothing(slack, house):
    slack.doubled = slack.lost_acknowledgements = 0.5
    for n in range(10):
        slack.says(f"message {n}", mention=True)
    await house.heard(10)
    await until(lambda: len(slack.acknowledged) > 20)
    assert sorted(message.text for message in house.once()) == [f"message {n}" for n in range(10)]


async def test_what_comes_again_undoes_nothing_that_came_since(slack, house):
    """Slack did not hear that it had come."""
    item = {"type": "message", "channel": ROOM, "ts": "1.000000"}
    thumb = {"user": "U0ANN", "reaction": "+1", "event_ts": "1.000100", "item": item}
    added = {**thumb, "type": "reaction_added"}
    first = slack.event(added)
    await until(lambda: len(house.inbox.reactions) == 1)
    slack.event({**thumb, "type": "reaction_removed", "event_ts": "1.000200"})
    await until(lambda: len(house.inbox.reactions) == 2)
    slack.event(added, event_id=first)
    slack.event({**added, "event_ts": "1.000300"})  # given once more
    await until(lambda: len(house.inbox.reactions) == 3)
    await slack.until(lambda: not slack.unacknowledged)
    assert [one.added for one in house.inbox.reactions] == [True, False, True]


async def test_an_edit_that_comes_again_undoes_no_newer_one(slack, house):
    ts = slack.says("one", mention=True)
    await house.heard(1)
    before = dict(slack.channels[ROOM].messages[ts])

    def edited(text):
        now = {"message": {**before, "text": text}, "previous_message": before}
        return {"type": "message", "subtype": "message_changed", "channel": ROOM, **now}

    first = slack.event(edited("two"))
    await until(lambda: len(house.inbox.changes) == 1)
    slack.event(edited("three"))
    await until(lambda: len(house.inbox.changes) == 2)
    slack.event(edited("two"), event_id=first)
    await slack.until(lambda: not slack.unacknowledged)
    assert [text for _, text in house.inbox.changes] == ["two", "three"]


class FullAtFirst(ListInbox):
    async def message(self, message):
        if not self.accounts[1:]:
            self.accounts.append("was full")
            raise StoreError("The disk is full.")
        await super().message(message)


class FullForThumbsDown(ListInbox):
    async def reaction(self, reaction):
        if reaction.emoji == "👎" and not self.accounts[1:]:
            self.accounts.append("was full")
            raise StoreError("The disk is full.")
        return await super().reaction(reaction)


async def test_who_changes_thumbs_while_the_disk_is_full_has_changed_them(slack):
    slack.retries_s = (0.1,) * 50
    thumb = {"user": "U0ANN", "item": {"type": "message", "channel": ROOM, "ts": "1.000000"}}
    async with moved_in(slack, FullForThumbsDown()) as house:
        for kind, name, at in (("added", "-1", 1), ("removed", "+1", 2)):
            slack.event(
                {**thumb, "type": f"reaction_{kind}", "reaction": name, "event_ts": f"{at}.000000"}
            )
        await until(lambda: len(house.inbox.reactions) == 2)
    assert {(one.emoji, one.added) for one in house.inbox.reactions} == {
        ("👎", True),
        ("👍", False),
    }


class FullForThumbsUp(ListInbox):
    full_for = "👍"

    async def reaction(self, reaction):
        if reaction.emoji == self.full_for and reaction.added:
            self.accounts.append("was full")
            raise StoreError("The disk is full.")
        return await super().reaction(reaction)


async def test_a_vote_that_comes_again_undoes_none_that_was_kept_since(slack):
    slack.retries_s = (0.1,) * 50
    item = {"type": "message", "channel": ROOM, "ts": "1.000000"}
    thumb = {"user": "U0ANN", "reaction": "+1", "item": item}
    inbox = FullForThumbsUp()
    async with moved_in(slack, inbox):
        slack.event({**thumb, "type": "reaction_added", "event_ts": "1.000100"})
        await until(lambda: inbox.accounts[1:])
        slack.event({**thumb, "type": "reaction_removed", "event_ts": "1.000200"})
        await until(lambda: inbox.reactions)
        inbox.full_for = ""
        await slack.until(lambda: not slack.unacknowledged)
    assert [one.added for one in inbox.reactions] == [False]


async def test_what_could_not_be_kept_is_done_when_it_comes_again(slack):
    slack.retries_s = (0.1,) * 50
    async with moved_in(slack, FullAtFirst()) as house:
        slack.says("keep this", channel=DIRECT)
        assert (await house.heard())[0].text == "keep this"


@pytest.mark.parametrize("channel", [ROOM, DIRECT])
async def test_a_bot_token_that_is_revoked_meanwhile_ends_the_platform_and_no_answer(
    slack, house, channel
):
    to = await house.asked("hello", channel=channel, mention=channel == ROOM)
    for method in ("chat.startStream", "chat.postMessage"):
        slack.fail(method, "token_revoked", times=9)
    with pytest.raises(AdapterError) as error:
        await house.answer(to, "Hello.")
    assert not isinstance(error.value, Refused)  # it is tried again after the next start
    with pytest.raises(Refused, match=r"platforms\.slack\.bot_token_env"):
        await asyncio.wait_for(house.running, 5)


async def test_slack_out_of_order_is_no_refusal(slack, house):
    to = await house.asked(channel=DIRECT)
    slack.fail("chat.postMessage", "internal_error", times=9)
    with pytest.raises(AdapterError) as error:
        await house.answer(to, "Hello.")
    assert not isinstance(error.value, Refused | ApiError)


# Tokens


@pytest.mark.parametrize("token", ["bot_token", "app_token"])
async def test_a_token_that_slack_refuses_is_named(slack, token):
    tokens = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN} | {token: "xoxb-wrong-secret"}
    settings = Settings(**tokens, base_url=slack.base_url)
    for call in (SlackAdapter(settings).run(ListInbox()), who_am_i(settings)):
        with pytest.raises(Refused, match=rf"platforms\.slack\.{token}_env") as refused:
            await call
        assert "secret" not in str(refused.value)


async def test_an_unreachable_slack_is_an_error_to_try_again(slack):
    slack.fail("auth.test", "reset")
    settings = Settings(bot_token=BOT_TOKEN, app_token=APP_TOKEN, base_url=slack.base_url)
    with pytest.raises(AdapterError) as error:
        await SlackAdapter(settings).run(ListInbox())
    assert not isinstance(error.value, Refused)


async def test_slack_says_who_we_are_and_which_scopes_are_missing(slack):
    settings = Settings(bot_token=BOT_TOKEN, app_token=APP_TOKEN, base_url=slack.base_url)
    assert await who_am_i(settings) == "mynah in Birds (https://birds.slack.com/)"
    assert await missing(settings) == []
    slack.scopes = slack.scopes.replace("files:write,", "").replace("reactions:read,", "")
    named = [sentence.split()[2].rstrip(":") for sentence in await missing(settings)]
    assert named == ["files:write", "reactions:read"]


async def test_neither_words_nor_tokens_are_logged(slack, caplog):
    caplog.set_level(logging.DEBUG)
    async with moved_in(slack) as house:
        slack.fail("chat.update", "500")
        slack.event({"type": "message", "channel": ROOM, "text": "my dearest words"})
        to = await house.asked("my dearest words")
        await house.answer(to, "words of ", wait_s(0.3), "an answer")
        slack.commands("/mynah", "my dearest words")
        await house.heard(2)
        await slack.refresh()
        await slack.until(lambda: slack.connections == 4)
    ours = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith("aiohttp"))
    assert "connected" in ours
    for secret in ("my dearest words", "words of", "secret", "ticket="):
        assert secret not in ours
