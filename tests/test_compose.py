"""What compose.yaml and the Dockerfile promise, without a Docker to run them."""

import asyncio
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from adapters import PLATFORMS
from bots.config import load
from bots.door import door
from bots.launch import BESIDE, NO_VLLM
from bots.run import parser as bots_parser
from bots.serve import parser
from core.training.publish import RUNS
from tests.fake_model import FakeModel

TOP = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((TOP / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
README = (TOP / "README.md").read_text(encoding="utf-8")
DOCKERFILE = (TOP / "Dockerfile").read_text()
EACH = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())


def stages():
    """The instructions of each stage of the Dockerfile, by its name."""
    found = {}
    for line in re.sub(r"\\\n", "", DOCKERFILE).splitlines():
        if begins := re.match(r"FROM (\S+) AS (\S+)", line):
            found[begins[2]] = []
        if line and not line.startswith("#"):
            found[begins[2] if begins else list(found)[-1]].append(line)
    return found


def mounts(service):
    """Of each path in the container what lies there."""
    return {path: what for what, path, *_ in (each.split(":") for each in service["volumes"])}


def script(service):
    command, python, flag, text = service["healthcheck"]["test"]
    assert (command, flag, Path(python).name) == ("CMD", "-c", "python")
    return text


def test_there_are_the_bot_and_its_model():
    assert set(SERVICES) == {"bot", "vllm"}
    assert list(stages())[-1] == "bot"  # what `docker build .` makes
    for name, service in SERVICES.items():
        assert service["build"] == {"context": ".", "target": name}
        assert name in stages()


@EACH
def test_no_port_is_open_beyond_this_machine(service):
    for port in service.get("ports", ()):
        assert re.match(r"(127\.0\.0\.1|\[::1\]):", str(port))
    assert not service.keys() & {"network_mode", "networks", "privileged"}


@EACH
def test_each_is_watched_and_comes_back(service):
    assert service["restart"] == "unless-stopped"
    assert {"test", "interval", "timeout", "retries", "start_period"} == set(service["healthcheck"])
    assert compile(script(service), "compose.yaml", "exec")


def test_both_see_settings_models_and_tunes_under_the_same_paths():
    bot, vllm = mounts(SERVICES["bot"]), mounts(SERVICES["vllm"])
    config = load(TOP / "config.yaml", ["console"], env={})
    tunes = str(Path("/app") / config.training.folder)
    for path in (tunes, "/app/models", "/app/config.yaml"):
        assert bot[path] == vllm[path]
    assert not Path(RUNS).is_absolute()  # and renamed there, within one volume
    assert "/app/data" not in vllm  # what people said is not its business
    named = {what for what in (*bot.values(), *vllm.values()) if not what.startswith(".")}
    assert named == set(COMPOSE["volumes"])


def test_a_volume_belongs_to_who_writes_into_it():
    """A named volume begins as the folder in the image is, owner included."""
    for name, service in SERVICES.items():
        text = "\n".join(stages()[name])
        assert "USER mynah" in text
        for path, what in mounts(service).items():
            if not what.startswith("."):
                folder = path.removeprefix("/app/")
                assert re.search(rf"mkdir -p [^&]*{re.escape(folder)}\b", text), path
                assert re.search(rf"chown -R mynah [^&]*{folder.split('/')[0]}", text), path


def test_vllm_is_started_by_bots_serve_and_asks_for_a_key(tmp_path):
    text = "\n".join(stages()["vllm"])
    assert 'ENTRYPOINT ["/opt/mynah/bin/python", "-m", "bots.serve"]' in text
    assert f"> {BESIDE}" in text
    told = parser().parse_args(SERVICES["vllm"]["command"])
    assert told.host == "0.0.0.0"
    keys = [service["environment"]["MODEL_KEY"] for service in SERVICES.values()]
    assert keys[0] == keys[1]
    assert keys[0].startswith("${MODEL_KEY:?")  # without one nothing starts
    # The settings at its head, as the bot and bots.serve read them.
    shown = re.search(r"^#   (generation: .*)$", (TOP / "compose.yaml").read_text(), re.MULTILINE)
    assert shown
    (tmp_path / "config.yaml").write_text(shown[1])
    config = load(tmp_path / "config.yaml", ["console"], env={"MODEL_KEY": "k"}).generation
    assert config.key == SecretStr("k")
    assert config.url == "http://vllm:8000/v1"
    assert "127.0.0.1:8000/health" in script(SERVICES["vllm"])


@pytest.mark.parametrize("platform", [name for name in PLATFORMS if name != "console"])
def test_the_bot_serves_the_platform_that_is_named_and_no_console(platform):
    """Whose standard input is nobody's: it would end at once, and be started again for ever."""
    command = SERVICES["bot"]["command"]
    asked = [re.sub(r"\$\{PLATFORM:\?[^}]+\}", platform, word) for word in command]
    tokens = dict.fromkeys(SERVICES["bot"]["environment"], "secret")
    named = bots_parser().parse_args(asked).platform
    assert list(load(TOP / "config.yaml", named, env=tokens).platforms) == [platform]
    kept = re.search(r"printf '(.*)'.* > \.env$", README, re.MULTILINE)
    assert kept
    assert {"PLATFORM", "MODEL_KEY"} == set(re.findall(r"([A-Z_]+)=", kept[1]))


def test_the_bot_is_started_before_its_model_is_downloaded():
    assert SERVICES["bot"]["depends_on"] == ["vllm"]


def test_a_gpu_is_kept_for_vllm():
    devices = SERVICES["vllm"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert "deploy" not in SERVICES["bot"]


def test_all_that_the_images_copy_is_there():
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    assert copied
    for name in " ".join(copied).split():
        assert (TOP / name).exists(), name
    for stage in re.findall(r"^COPY --from=(\S+)", DOCKERFILE, re.MULTILINE):
        assert stage in stages()


def test_the_versions_of_vllm_are_one():
    image = re.search(r"^FROM vllm/vllm-openai:v(\S+) ", DOCKERFILE, re.MULTILINE)
    make = re.search(r"^VLLM_VERSION := (\S+)$", (TOP / "Makefile").read_text(), re.MULTILINE)
    router = re.search(r"^ROUTER_VERSION := (\S+)$", (TOP / "Makefile").read_text(), re.MULTILINE)
    extras = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert image
    assert make
    assert router
    assert image[1] == make[1]
    assert extras["vllm"] == [f"vllm=={make[1]}"]
    assert set(re.findall(r"\bvllm==([\w.]+\w)", README + NO_VLLM)) == {make[1]}
    assert set(re.findall(r"\bvllm-router==([\w.]+\w)", README)) == {router[1]}
    assert set(re.findall(r"\brouter (\d[\w.]+\w)", README)) == {router[1]}


async def checked(text, folder):
    """Whether this health check passes in this folder."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", text, cwd=folder, stderr=subprocess.DEVNULL
    )
    return await process.wait() == 0


async def test_the_bots_health_is_that_it_answers_at_its_door(tmp_path):
    check = script(SERVICES["bot"])
    (tmp_path / "data").mkdir()

    async def tunes(asked):
        yield "no tune yet"

    async def broken(asked):
        raise OSError
        yield ""

    assert not await checked(check, tmp_path)
    async with door(tmp_path / "data" / "mynah.db.sock", {"tunes": tunes}):
        assert await checked(check, tmp_path)
    async with door(tmp_path / "data" / "mynah.db.sock", {"tunes": broken}):
        assert not await checked(check, tmp_path)


async def test_vllms_health_is_its_own(tmp_path):
    async with FakeModel(key="asked of everybody else") as server:
        check = script(SERVICES["vllm"]).replace(":8000", f":{server.port}")
        assert await checked(check, tmp_path)
        await server.refuse()
        assert not await checked(check, tmp_path)
