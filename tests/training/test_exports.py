"""An exported data set loses what is forgotten, where it lies, and stays a whole data set."""

import asyncio
import json
import logging
import os
import pickle
import shutil
import signal
import sys
from pathlib import Path

import pytest

from core.errors import BotError
from core.training import dataset, exports, jsonl
from core.types import Correction, Feedback
from storage.repositories import SqlStore
from tests.training.house import opened, put, said, trainer, vote
from tests.training.votes import NOON, judged, turn

FILES = ("train.jsonl", "holdout.jsonl", "pairs.jsonl", "messages.jsonl", "manifest.json")


@pytest.fixture
async def store(tmp_path):
    async with opened(tmp_path) as one:
        await vote(one, 60, by=("bo", "cy", "di"))
        yield one


@pytest.fixture
async def here(store, tmp_path):
    return trainer(store, tmp_path)


async def text(path):
    return await asyncio.to_thread(path.read_text)


async def rows(folder):
    return await asyncio.to_thread(rows_in, folder)


def rows_in(folder):
    """Each entry of the manifest with its line, as whoever trains reads them."""
    manifest = json.loads((folder / "manifest.json").read_text())
    lines = {name: jsonl.read(folder, name) for name in FILES[:-1]}  # compares the hashes
    found = [(entry, lines[entry["file"]][entry["line"] - 1]) for entry in manifest["rows"]]
    assert len(found) == len(lines["train.jsonl"]) + len(lines["holdout.jsonl"])
    assert sum(line["label"] for line in lines["train.jsonl"]) == len(lines["messages.jsonl"])
    assert {one.name for one in folder.iterdir()} == {*FILES, "left_out.json"}
    return found


async def about(folder):
    return {entry["turn"]: tuple(entry["by"]) for entry, _ in await rows(folder)}


async def exported(here, folder):
    await said(here.export(folder))
    return await rows(folder)


async def test_a_forgotten_turn_and_a_forgotten_voter_leave_an_export(store, here, tmp_path):
    folder = tmp_path / "out" / "one"
    before = await exported(here, folder)
    held = {entry["turn"] for entry, _ in before if entry["held_out"]}
    assert len(before) == 60
    assert 5 < len(held) < 20
    assert (await store.forget_turn(7, "ann")).turns == 1
    assert await here.forget() == "all cut"
    assert (await about(folder)).keys() == set(range(1, 61)) - {7}
    await store.forget_person("console", "me", "bo")
    assert await here.forget() == "all cut"
    after = await rows(folder)
    assert {entry["turn"] for entry, _ in after} == {n for n in range(1, 61) if n % 3 and n != 7}
    assert "console:bo" not in await text(folder / "manifest.json")
    assert {entry["turn"] for entry, _ in after if entry["held_out"]} <= held
    lines = {entry["turn"]: line for entry, line in before}
    assert all(line == lines[entry["turn"]] for entry, line in after)


async def test_of_several_people_behind_a_row_the_others_stay(store, here, tmp_path):
    await store.put_feedback(Feedback(3, "gus", 1, NOON))
    folder = tmp_path / "out"
    await exported(here, folder)
    assert (await about(folder))[3] == ("console:bo", "console:gus")
    await store.forget_person("console", "me", "bo")
    await here.forget()
    assert (await about(folder))[3] == ("console:gus",)
    assert 6 not in await about(folder)  # bo alone judged that


async def test_what_only_later_people_say_does_not_come_in(store, here, tmp_path):
    folder = tmp_path / "out"
    await exported(here, folder)
    before = [await text(folder / name) for name in FILES]
    await store.put_correction(Correction(2, "gus", "Another answer altogether.", NOON))
    await store.put_feedback(Feedback(3, "hal", 1, NOON))
    await store.put_feedback(Feedback(5, "hal", -1, NOON))  # a tie
    for who in ("hal", "ida"):
        await store.put_feedback(Feedback(7, who, -1, NOON))  # outvoted
    await store.forget_person("console", "me", "nobody here")
    assert await here.forget() == "all cut"
    assert [await text(folder / name) for name in FILES] == before


async def test_who_voted_down_stands_for_nothing_that_others_liked(store, here, tmp_path):
    await store.put_feedback(Feedback(3, "gus", 1, NOON))
    await store.put_feedback(Feedback(3, "hal", -1, NOON))
    folder = tmp_path / "out"
    await exported(here, folder)
    assert (await about(folder))[3] == ("console:bo", "console:gus", "console:hal")
    for who in ("bo", "gus"):
        await store.forget_person("console", "me", who)
    await store.put_feedback(Feedback(3, "ida", 1, NOON))
    await here.forget()
    assert 3 not in await about(folder)


async def test_a_correction_that_reads_like_the_answer_stays_its_authors(store, here, tmp_path):
    """Once redacted, both read the same."""
    asked = turn(99, "Who knows?", "Write to a@example.org")
    await put(store, judged(asked, [("bo", 1)]), "bo", NOON)
    known = max(one.turn.id for one in await store.judged(["console"]))
    await store.put_feedback(Feedback(known, "cy", 1, NOON))
    await store.put_feedback(Feedback(known, "di", 1, NOON))
    await store.put_correction(Correction(known, "gus", "Write to b@example.org", NOON))
    folder = tmp_path / "out"
    before = await exported(here, folder)
    await store.forget_turn(1, "ann")
    await here.forget()
    people = [(entry["by"], entry["corrected"]) for entry, _ in await rows(folder)]
    assert people == [(e["by"], e["corrected"]) for e, _ in before if e["turn"] != 1]
    assert (["console:gus"], True) in people


async def test_a_forgotten_correction_leaves_every_file(store, here, tmp_path):
    await store.put_correction(Correction(2, "gus", "Another answer altogether.", NOON))
    folder = tmp_path / "out"
    await exported(here, folder)
    assert "altogether" in await text(folder / "train.jsonl")
    await store.forget_person("console", "me", "gus")
    await here.forget()
    await rows(folder)
    assert not [name for name in FILES if "altogether" in await text(folder / name)]
    assert "gus" not in await text(folder / "left_out.json")


async def test_who_is_only_among_those_left_out_leaves_as_well(store, here, tmp_path):
    await store.put_feedback(Feedback(1, "gus", -1, NOON))
    folder = tmp_path / "out"
    await exported(here, folder)
    assert json.loads(await text(folder / "left_out.json"))["left_out"] == {
        "as many up as down": [1]
    }
    assert (await store.forget_turn(1, "ann")).turns == 1
    await here.forget()
    assert json.loads(await text(folder / "left_out.json"))["left_out"] == {
        "as many up as down": []
    }


async def test_who_was_not_heard_leaves_as_well(store, here, tmp_path):
    folder = tmp_path / "out"
    await exported(here, folder)
    unused = {"left_out": {}, "unheard": {"new here": [[2, "di"], [3, "bo"]]}}  # as with crowds
    await asyncio.to_thread((folder / "left_out.json").write_text, json.dumps(unused))
    await store.forget_person("console", "me", "bo")
    await here.forget()
    assert json.loads(await text(folder / "left_out.json"))["unheard"] == {"new here": [[2, "di"]]}


@pytest.mark.parametrize("written", range(7))
async def test_a_cut_that_was_killed_is_ended_when_the_bot_starts(store, here, tmp_path, written):
    folder = tmp_path / "out"
    await exported(here, folder)
    await store.forget_person("console", "me", "bo")
    found = await store.judged(["console"])
    cutting = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.training.killed_cut", str(folder), str(written)),
        stdin=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    await cutting.communicate(pickle.dumps(found))
    assert cutting.returncode == (-signal.SIGKILL if written < len(FILES) + 1 else 0)
    await trainer(store, tmp_path).clear_up()
    assert (await about(folder)).keys() == {n for n in range(1, 61) if n % 3}


@pytest.mark.parametrize(
    ("name", "held"),
    [("manifest.json.making", ""), ("manifest.json", ""), ("manifest.json", '{"files": {"train')],
)
async def test_a_cut_that_was_killed_before_it_was_written_begins_anew(
    store, here, tmp_path, name, held
):
    folder = tmp_path / "out"
    await exported(here, folder)
    await asyncio.to_thread((folder / exports.ANEW).mkdir)
    await asyncio.to_thread((folder / exports.ANEW / "train.jsonl").write_text, "half a")
    await asyncio.to_thread((folder / exports.ANEW / name).write_text, held)
    await store.forget_turn(1, "ann")
    assert await here.forget() == "all cut"
    assert (await about(folder)).keys() == set(range(2, 61))


@pytest.mark.parametrize("name", ["train.jsonl", "pairs.jsonl", "messages.jsonl", "holdout.jsonl"])
async def test_an_export_that_somebody_changed_is_left_alone_and_named(
    store, here, tmp_path, caplog, name
):
    mine, other = tmp_path / "mine", tmp_path / "other"
    await exported(here, mine)
    await exported(here, other)
    changed = await text(mine / name) + "{}"
    await asyncio.to_thread((mine / name).write_text, changed)
    await store.forget_turn(1, "ann")
    with caplog.at_level(logging.ERROR):
        assert await here.forget() == "some left"
    assert await text(mine / name) == changed
    assert [str(mine) in one.getMessage() for one in caplog.records] == [True]
    assert 1 not in await about(other)


@pytest.mark.parametrize("name", ["manifest.json", "left_out.json"])
@pytest.mark.parametrize(
    "held", ["", "null", "[]", '{"rows": 1, "files": {}, "left_out": []}', None]
)
async def test_what_is_no_data_set_any_more_breaks_nothing(store, here, tmp_path, name, held):
    folder = tmp_path / "out"
    await exported(here, folder)
    if held is None:
        await asyncio.to_thread((folder / name).unlink)
    else:
        await asyncio.to_thread((folder / name).write_text, held)
    await store.forget_turn(1, "ann")
    assert await here.forget() == "some left"
    await here.clear_up()
    await asyncio.to_thread(shutil.rmtree, folder)  # what the log asks for
    await here.clear_up()
    assert await store.exports() == {str(folder): 0}


async def test_at_a_start_nothing_is_cut_unless_something_was_forgotten(store, here, tmp_path):
    folder = tmp_path / "out"
    await exported(here, folder)
    await store.set_training("console", "me", "person", "bo", False)
    await store.drop_feedback(2, "di", -1)
    await here.clear_up()
    assert (await about(folder)).keys() == set(range(1, 61))
    await store.forget_turn(1, "ann")  # and the bot is killed
    await trainer(store, tmp_path).clear_up()
    assert (await about(folder)).keys() == {n for n in range(3, 61) if n % 3}


async def test_what_is_forgotten_while_it_is_exported_is_not_in_it(store, here, tmp_path):
    class Meanwhile(SqlStore):
        async def reviews(self):
            found = await super().reviews()
            await self.forget_turn(1, "ann")
            forgetting.append(asyncio.create_task(late.forget()))
            await asyncio.wait(forgetting, timeout=1)  # it would be done by then, but it waits
            return found

    forgetting = []
    store.__class__ = Meanwhile
    late = trainer(store, tmp_path)
    await said(late.export(tmp_path / "out"))
    assert await forgetting[0] == "all cut"
    assert (await about(tmp_path / "out")).keys() == set(range(2, 61))


async def test_an_export_that_was_killed_leaves_nothing_once_something_is_forgotten(
    store, here, tmp_path
):
    await store.put_export(str(tmp_path / "out"))  # and was killed before it had its name
    gathered = dataset.gather(await store.judged(["console"]))
    await asyncio.to_thread(jsonl.write, gathered, tmp_path / ".out.making")
    await store.forget_turn(1, "ann")
    assert await here.forget() == "all cut"
    assert not await asyncio.to_thread((tmp_path / ".out.making").exists)


async def test_an_export_that_was_killed_can_be_written_after_all(store, here, tmp_path):
    gathered = dataset.gather(await store.judged(["console"]))
    await asyncio.to_thread(jsonl.write, gathered, tmp_path / ".out.making")
    await exported(here, tmp_path / "out")
    assert not await asyncio.to_thread((tmp_path / ".out.making").exists)


async def test_what_could_not_be_exported_leaves_nothing_behind_and_is_not_spoken_of(
    store, here, tmp_path
):
    class Meanwhile(SqlStore):
        async def reviews(self):
            await asyncio.to_thread(jsonl.write, dataset.gather([]), tmp_path / "out")
            return await super().reviews()

    await asyncio.to_thread((tmp_path / "file").write_text, "")
    with pytest.raises(BotError, match=r"cannot be written: .*\. Name a new folder"):
        await said(here.export(tmp_path / "file" / "out"))
    with pytest.raises(BotError, match="is there already"):
        await said(here.export(tmp_path / "file"))
    with pytest.raises(BotError, match="cannot be written: File name too long"):
        await said(here.export(tmp_path / ("x" * 300)))
    store.__class__ = Meanwhile
    with pytest.raises(BotError, match="cannot be written: Directory not empty"):
        await said(here.export(tmp_path / "out"))
    names = await asyncio.to_thread(os.listdir, tmp_path)
    assert sorted(name for name in names if "mynah.db" not in name) == ["file", "out"]
    assert await here.forget() == "none"


async def test_where_nothing_was_exported_nothing_is_said_of_it(store, here, tmp_path):
    assert await here.forget() == "none"
    await exported(here, tmp_path / "out")
    await asyncio.to_thread(shutil.rmtree, tmp_path / "out")
    assert await here.forget() == "all cut"  # a copy may be elsewhere
