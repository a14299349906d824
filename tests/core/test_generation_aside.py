"""The client of the model's server: what is asked beside answers, and what is never told."""

import logging
import os

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from core.connection import Settings
from core.errors import Unreachable
from core.generation import ModelServer
from tests.core.generation_client import KEY, SECRET_WORDS, client, prompt, read
from tests.fake_model import Behaviour

# Questions aside.


async def test_the_server_says_which_models_it_has(server):
    server.models = ("base", "mynah@000042")
    async with client(server) as model:
        assert await model.models() == ("base", "mynah@000042")


async def test_a_server_that_cannot_be_asked_is_a_plain_sentence(server):
    await server.refuse()
    async with client(server) as model:
        with pytest.raises(Unreachable, match="is it running"):
            await model.models()


async def test_tokens_are_counted_by_the_server_once_per_text(server):
    async with client(server) as model:
        assert await model.count(["one", "two words", "", "one"]) == [1, 2, 0, 1]
        assert await model.count(["two words"]) == [2]
    assert server.tokenized == 3


async def test_tokens_are_estimated_where_nobody_counts(server):
    server.tokenizes = False
    async with client(server) as model:
        assert await model.count(["", "a", "abcd", "ß" * 3]) == [0, 1, 2, 2]
        server.tokenizes = True
        assert await model.count(["abcd"]) == [2]
    assert server.tokenized == 0


@pytest.mark.parametrize(
    ("status", "counts"),
    [(400, True), (413, True), (500, True), (401, False), (405, False), (501, False)],
)
async def test_one_refused_text_does_not_end_counting_by_the_server(server, status, counts):
    server.tokenize_status = status
    async with client(server) as model:
        assert await model.count(["abcdef"]) == [2]
        server.tokenize_status = 200
        assert await model.count(["abcdefgh"]) == ([1] if counts else [3])


async def test_counting_never_raises(server):
    await server.refuse()
    async with client(server) as model:
        assert await model.count(["abcd", "\ud800"]) == [2, 1]


async def test_the_window_is_the_settings_then_the_servers_then_a_guess(server, caplog):
    async with client(server, context_tokens=777) as model:
        assert await model.context() == 777
    async with client(server) as model:
        assert await model.context() == 2048
    server.max_model_len = None
    async with client(server) as model:
        with caplog.at_level(logging.WARNING, "core.connection"):
            assert await model.context() == 4096
            assert await model.context() == 4096
    assert len(caplog.records) == 1


async def test_a_server_that_refuses_is_asked_anew_how_much_it_takes(server):
    """Started again, it may have less room, and would refuse every long conversation."""
    async with client(server) as model:
        assert await model.context() == 2048
        server.max_model_len = 256
        server.behaviour = Behaviour(status=400)
        assert await model.context() == 2048
        _, error = await read(model)
        assert "generation.context_tokens" in str(error)
        assert await model.context() == 256
    async with client(server, context_tokens=777) as model:
        await read(model)
        assert await model.context() == 777


async def test_a_models_folder_counts_and_knows_its_window(server, tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text('{"max_position_embeddings": 512}')
    settings = Settings(url=server.url, model="fake")
    async with ModelServer(settings, folder=tmp_path) as model:
        assert await model.count(["a b", "a a a", "x " * 30_000]) == [2, 3, 30_000]
        await server.refuse()
        assert await model.context() == 512
        await server.listen()
        server.max_model_len = 256  # it has less room than the model takes
        assert await model.context() == 256
    assert server.tokenized == 0
    server.max_model_len = None
    async with ModelServer(settings, folder=tmp_path) as model:
        assert await model.context() == 512


@pytest.mark.parametrize(
    "bytes_there",
    [
        b"{}",
        b"\xff",
        pytest.param(
            None,
            marks=pytest.mark.skipif(
                not os.path.exists("/proc/self/mem"), reason="it takes a system with /proc: Linux"
            ),
        ),
    ],
)
async def test_a_damaged_tokenizer_is_no_reason_to_fail(server, tmp_path, bytes_there, caplog):
    file = tmp_path / "tokenizer.json"
    if bytes_there is None:
        file.symlink_to("/proc/self/mem")  # a file that gives an error instead of bytes
    else:
        file.write_bytes(bytes_there)
    (tmp_path / "config.json").write_text("[")
    server.tokenizes = False
    settings = Settings(url=server.url, model="fake")
    async with ModelServer(settings, folder=tmp_path) as model:
        assert await model.count(["abcd"]) == [2]
        assert await model.context() == 2048
    assert f"{file} cannot be read" in caplog.text


# What is never told.


async def test_neither_the_key_nor_what_people_wrote_is_logged(server, caplog):
    faults = [Behaviour(status=s, message=SECRET_WORDS) for s in (400, 429, 500, 503)]
    faults += [Behaviour(cut_after=1), Behaviour(silent_after=1), Behaviour(error_after=1)]
    with caplog.at_level(logging.DEBUG):
        async with client(server, key=KEY, first_token_within_s=0.3) as model:
            for server.behaviour in [*faults, Behaviour()]:
                await read(model, prompt(SECRET_WORDS))
            await model.count([SECRET_WORDS])
            await model.context()
            await server.refuse()
            await read(model, prompt(SECRET_WORDS))
            assert KEY not in repr(model)
    assert "failed 5 times in a row" in caplog.text
    assert KEY not in caplog.text
    assert "Przybylski" not in caplog.text


def test_an_address_that_is_none_is_refused_by_the_settings():
    for url in ("localhost:8000", "ftp://x", "http://", "/v1"):
        with pytest.raises(ValueError, match="such as http"):
            Settings(url=url, model="x")
    with pytest.raises(ValueError, match="extra"):
        Settings.model_validate({"model": "x", "temprature": 1})
