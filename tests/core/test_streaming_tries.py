"""A further try goes on in the messages of the one before, finds them, or has them removed."""

from core.errors import AdapterError, Refused
from core.types import MessageRef
from tests.core.paper import ROOM, Paper, shown


async def test_before_every_new_message_its_placing_is_kept():
    kept = []

    class Record:
        async def placing(self):
            kept.append(f"placing, {len(paper.texts) + len(paper.files)} there")

        async def placed(self, ref):
            kept.append(ref.id)

        async def settle(self, text, outcome):
            kept.append(outcome)

    paper = Paper(most_pages=2)
    await shown(paper, "word " * 100, answer={"record": Record()})
    assert kept == [
        "answered",
        *["placing, 0 there", "m0"],
        *["placing, 1 there", "m1"],
        *["placing, 2 there", "m2"],
    ]


async def test_a_second_try_goes_on_in_the_same_messages():
    paper = Paper(texts={"m0": "I thi"}, buttons=["m0"])
    answer = await shown(paper, "I think so.", answer={"refs": [MessageRef(ROOM, "m0")]})
    assert paper.calls == ["edit"]
    assert paper.visible == ["I think so."]
    assert [ref.id for ref in answer.refs] == ["m0"]


async def test_before_a_post_that_may_have_been_made_its_message_is_looked_for():
    paper = Paper(texts={"m0": "I thi"}, parts={0: "m0"})
    answer = await shown(paper, "I think so.", answer={"placing": True})
    assert paper.calls == ["find", "edit"]
    assert paper.visible == ["I think so."]
    assert [ref.id for ref in answer.refs] == ["m0"]
    fresh = Paper()
    await shown(fresh, "I think so.", answer={"placing": True})
    assert fresh.calls == ["find", "post"]


async def test_messages_that_a_shorter_second_try_does_not_need_go():
    paper = Paper(texts={"m0": "long", "m1": "long", "m2": "long"})
    refs = [MessageRef(ROOM, id) for id in paper.texts]
    paper.faults = [None, AdapterError("502"), None, Refused("it stays")]
    await shown(paper, "short", answer={"refs": refs})
    assert paper.visible == ["short", "long"]
    assert paper.calls == ["edit", "remove", "remove", "remove"]


async def test_a_message_of_which_nobody_knows_and_that_is_not_needed_is_found_too():
    paper = Paper(texts={"m0": "long", "m1": "long"}, parts={0: "m0", 1: "m1"})
    answer = {"refs": [MessageRef(ROOM, "m0")], "placing": True}
    await shown(paper, "short", answer=answer)
    assert paper.visible == ["short"]


async def test_a_file_is_not_sent_twice():
    paper = Paper(most_pages=1, lost=True, faults=[None, AdapterError("the connection was cut")])
    text = "word " * 100
    await shown(paper, text)
    assert paper.calls.count("attach") == 1
    again = Paper(most_pages=1, texts={"m0": "word"}, files={"m1": "word"})
    refs = [MessageRef(ROOM, "m0"), MessageRef(ROOM, "m1")]
    await shown(again, text, answer={"refs": refs})
    assert again.calls == ["edit"]
