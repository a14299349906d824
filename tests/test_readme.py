"""What README.md promises exists: its commands, make targets and settings are the real ones."""

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from adapters import settings_of
from bots.config import load
from core.commands import COMMANDS

TOP = Path(__file__).resolve().parent.parent
README = (TOP / "README.md").read_text(encoding="utf-8")


def test_the_table_of_commands_is_the_bots_own():
    listed = re.findall(r"^\| (`/.*`) \| (.*) \|$", README, re.MULTILINE)
    assert listed == [
        (command.usage, command.help + (" (admins)" if command.admin else ""))
        for command in COMMANDS.values()
        if not command.hidden
    ]


def test_every_make_target_exists():
    targets = set(re.findall(r"\bmake ([a-z-]+)", README))
    phony = re.search(r"^\.PHONY: (.*)$", (TOP / "Makefile").read_text(), re.MULTILINE)
    assert targets
    assert phony
    assert targets <= set(phony[1].split())


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m (bots\.\w+)", README))))
def test_every_program_exists_and_explains_itself(module):
    out = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"python -m {module}" in out.stdout


def test_every_file_that_is_linked_exists():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("http") or (TOP / link).exists(), link


def test_the_settings_shown_are_valid(tmp_path):
    for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL):
        (tmp_path / "config.yaml").write_text(textwrap.dedent(block))
        load(tmp_path / "config.yaml", ["console"], env={})
    for key in re.findall(r"`(\w+)\.(\w+)`", README):
        assert key[1] in yaml.safe_load((TOP / "config.yaml").read_text()).get(key[0], {}) or (
            key[0] in ("config", "mynah", "report")  # file names
        )


@pytest.mark.parametrize("before", [(), (0,), (1,)], ids=["as shipped", "after one", "after two"])
@pytest.mark.parametrize("line", [0, 1], ids=["one machine", "docker"])
def test_the_lines_that_write_settings_do_so_whichever_came_before(tmp_path, line, before):
    lines = re.findall(r"^sed -i .* config\.yaml$", README, re.MULTILINE)
    assert len(lines) == 2
    shutil.copy(TOP / "config.yaml", tmp_path)
    for number in (*before, line):
        subprocess.run(["sh", "-c", lines[number]], cwd=tmp_path, check=True)
    config = load(tmp_path / "config.yaml", ["console"], env={"MODEL_KEY": "k"})
    host = ("127.0.0.1", "vllm")[line]
    assert config.generation.url == f"http://{host}:8000/v1"
    assert config.generation.model == "Qwen/Qwen3-8B"
    assert config.generation.key or host == "127.0.0.1"
    assert config.storage.url == "sqlite:///data/mynah.db"
    for copy in re.findall(r"^(sed '.* config\.yaml) > \w+\.yaml && ", README, re.MULTILINE):
        text = subprocess.check_output(["sh", "-c", copy], cwd=tmp_path, text=True)
        (tmp_path / "copy.yaml").write_text(text)
        other = load(tmp_path / "copy.yaml", ["console"], env={"MODEL_KEY": "k"}).generation.url
        assert other in (f"http://{host}:8001/v1", f"http://{host}:8002/v1")


@pytest.mark.parametrize("name", ["slack", "discord", "telegram"])
def test_every_platform_has_a_section_that_names_its_tokens(name):
    section = README.split(f"\n### {name.capitalize()}\n")[1].split("\n#")[0]
    for key, field in settings_of(name).model_fields.items():
        if field.annotation is SecretStr:
            variable = f"{name}_{key}".upper()
            assert f"export {variable}=" in section
            assert f"{key}_env: {variable}" in section


def test_every_link_within_the_page_leads_to_a_heading():
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors


def test_the_platforms_settings_shown_are_valid(tmp_path):
    tokens = re.findall(r"export (\w+_TOKEN)=", README)
    for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL):
        path = tmp_path / "config.yaml"
        path.write_text(textwrap.dedent(block))
        platforms = yaml.safe_load(path.read_text()).get("platforms") or ["console"]
        load(path, platforms, env=dict.fromkeys(tokens, "secret"))
