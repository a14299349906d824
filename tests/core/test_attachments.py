"""Files with a message: text is read, within bounds; the rest goes by name."""

import asyncio

import pytest

from core.attachments import Attached, read
from core.errors import AdapterError


def file(name, content=b"hello", *, kind="", size=None):
    async def fetch():
        if isinstance(content, Exception):
            raise content
        return content

    return Attached(name, kind, len(content) if size is None else size, fetch)


async def test_text_stands_in_a_fence_longer_than_any_inside():
    words, unread = await read([file("notes.md", b"one\n````\ncode\n````\n")])
    assert words == "\n\nnotes.md:\n`````\none\n````\ncode\n````\n`````"
    assert unread == ()


@pytest.mark.parametrize(
    "one",
    [
        file("cat.png", b"\x89PNG"),
        file("what", b"hello"),
        file("fake.txt", b"\xff\xfe\x00"),
        file("latin.csv", b"\xe4;1"),
        file("binary.txt", b"a\0b"),
        file("large.txt", b"x", size=100_001),
        file("larger.txt", b"x" * 100_001, size=0),
        file("gone.txt", AdapterError("404"), size=1),
    ],
    ids=lambda one: one.name,
)
async def test_what_cannot_be_read_goes_by_name(one):
    assert await read([one]) == ("", (one.name,))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_text_is_read_as_windows_saves_it_too(encoding):
    words, unread = await read([file("größe.txt", "größer 😀".encode(encoding))])
    assert (words, unread) == ("\n\ngröße.txt:\n```\ngrößer 😀\n```", ())


async def test_a_type_or_a_name_tells_that_it_is_text():
    words, unread = await read(
        [file("a", kind="text/x-python"), file("b.RS"), file("Dockerfile"), file("c.tar.md")]
    )
    assert unread == ()
    assert words.count("hello") == 4


async def test_the_sixth_goes_by_name_and_the_order_is_kept():
    files = [file(f"{n}.txt") for n in range(7)]
    words, unread = await read(files)
    assert unread == ("5.txt", "6.txt")
    assert words.index("0.txt") < words.index("4.txt")


async def test_one_that_does_not_come_in_time_holds_nothing_up():
    async def never():
        await asyncio.Event().wait()

    words, unread = await read([file("a.txt"), Attached("b.txt", "", 1, never)], within_s=0.05)
    assert "hello" in words
    assert unread == ("b.txt",)
