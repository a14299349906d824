"""The socket beside the store: asked, it answers piece by piece; nobody else may connect."""

import asyncio
import stat

import pytest

from bots.door import LONGEST_PATH, NobodyHome, ask, door
from core.errors import BotError


async def count(arguments):
    for number in range(int(arguments["to"])):
        yield str(number)


async def fail(arguments):
    yield "one"
    raise BotError("the disk is full: make room")


async def choke(arguments):
    yield arguments["what nobody gave"]


class Work:
    """A verb without an end, which cleans up."""

    def __init__(self):
        self.is_done = False

    async def __call__(self, arguments):
        try:
            yield "begun"
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # cleaning up takes its time
            self.is_done = True


VERBS = {"count": count, "fail": fail, "choke": choke}


async def said(path, verb, **arguments):
    return [line async for line in ask(path, verb, **arguments)]


async def test_a_verb_is_answered_piece_by_piece(tmp_path):
    async with door(tmp_path / "s", VERBS):
        assert await said(tmp_path / "s", "count", to=3) == ["0", "1", "2"]


async def test_only_the_owner_may_connect_and_the_file_goes_with_us(tmp_path):
    async with door(tmp_path / "s", VERBS):
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    assert not (tmp_path / "s").exists()


async def test_a_failure_is_told_in_a_sentence(tmp_path):
    async with door(tmp_path / "s", VERBS):
        with pytest.raises(BotError, match="make room"):
            await said(tmp_path / "s", "fail")
        with pytest.raises(BotError, match="count, fail, choke"):
            await said(tmp_path / "s", "dance")


async def test_a_verb_that_breaks_is_told_in_a_sentence_and_logged(tmp_path, caplog):
    async with door(tmp_path / "s", VERBS):
        with pytest.raises(BotError, match="the log of the bot says why"):
            await said(tmp_path / "s", "choke")
        assert await said(tmp_path / "s", "count", to=1) == ["0"]
    assert "KeyError" in caplog.text


async def test_no_verb_is_at_work_when_the_door_has_closed(tmp_path):
    work = Work()
    async with door(tmp_path / "s", {"work": work}):
        _, silent = await asyncio.open_unix_connection(tmp_path / "s")
        pieces = ask(tmp_path / "s", "work")
        assert await anext(pieces) == "begun"
    assert work.is_done
    with pytest.raises(BotError, match="ended before it was done"):
        await anext(pieces)
    silent.close()


async def test_what_is_raised_inside_comes_out_as_it_is(tmp_path):
    with pytest.raises(BotError, match="no platform left"):
        async with door(tmp_path / "s", VERBS):
            raise BotError("no platform left")


async def test_where_nobody_listens_that_is_said(tmp_path):
    with pytest.raises(NobodyHome):
        await said(tmp_path / "s", "count", to=1)


async def test_a_file_left_by_a_killed_process_is_no_hindrance(tmp_path):
    (tmp_path / "s").write_text("left over")
    async with door(tmp_path / "s", VERBS):
        assert await said(tmp_path / "s", "count", to=1) == ["0"]


async def test_nonsense_and_hanging_up_leave_the_door_open(tmp_path):
    async with door(tmp_path / "s", VERBS):
        for request in (b"", b"\n", b"[]\n", b'"x"\n', b"\xff\xfe\n", b"x" * 100_000 + b"\n"):
            _, writer = await asyncio.open_unix_connection(tmp_path / "s")
            writer.write(request)
            writer.close()
        assert await said(tmp_path / "s", "count", to=1) == ["0"]


async def test_a_path_that_is_too_long_is_said_in_the_log(tmp_path, caplog):
    path = tmp_path / ("x" * (LONGEST_PATH + 1))
    async with door(path, VERBS):
        assert "too long" in caplog.text


async def test_a_place_that_takes_no_socket_is_told_with_advice(tmp_path):
    with pytest.raises(BotError, match="Give this user the right to write there"):
        async with door(tmp_path / "no such folder" / "mynah.db.sock", {}):
            pass
