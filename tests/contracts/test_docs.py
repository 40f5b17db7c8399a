"""The documents keep up with the code: links, commands, settings, routes, and recipes that work as they stand."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import typer
from pydantic_core import PydanticUndefined

from cli.__main__ import COMMANDS
from deploy.local.plan import EMBEDDED, PORTS, variable
from services.alerts.settings import Settings as AlertsSettings
from services.health.definition import Weighed
from services.health.detector import Detector
from services.health.measure import Measure
from services.health.settings import Settings as HealthSettings
from services.ingest.settings import Settings as IngestSettings
from services.revenue.settings import Settings as RevenueSettings
from shared.archive.settings import Settings as ArchiveSettings
from shared.cluster import Cluster
from shared.roles import COMMON, ROLES
from shared.settings import KAFKA
from tests.contracts.measure_contract import hold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.settings import ProcessSettings

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests" / "data").rglob("*.md")])
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
SERVICES: dict[str, type[ProcessSettings]] = {
    "ingest": IngestSettings,
    "health": HealthSettings,
    "revenue": RevenueSettings,
    "alerts": AlertsSettings,
    "archive": ArchiveSettings,
}
MOST_FILES = 9
MOST_SETTINGS = 12
FROM_FILE = "_FILE"


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_of(name: str, language: str) -> list[str]:
    """The fenced blocks of a language, without their indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text_of(name), re.DOTALL | re.MULTILINE)
    return [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


@EACH
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "#")):
            assert not target.startswith("/"), f"{target}: links are relative"
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_the_walk_of_the_readme_passes_at_most_nine_files() -> None:
    walk = text_of("README.md").partition("## Follow one event")[2].partition("\n## ")[0]
    steps = re.findall(r"^\d+\. (.*)$", walk, re.MULTILINE)
    files = [re.findall(r"\]\(([^)]+)\)", step) for step in steps]
    assert 0 < len(steps) <= MOST_FILES
    assert all(len(each) == 1 and each[0].endswith(".py") for each in files), "a step is one file"
    assert len({each[0] for each in files}) == len(steps)


@EACH
def test_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*## ", text_of("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)) <= targets
    for command, rest in re.findall(r"`(?:\.venv/bin/)?kizuna ([a-z]+)((?: [a-zA-Z-]+)*)", text):
        found = COMMANDS[command]
        if isinstance(found, typer.Typer) and rest:
            assert rest.split()[0] in {each.name for each in found.registered_commands}, f"kizuna {command}{rest}"


@EACH
def test_routes_exist(page: Path) -> None:
    known = {re.sub(r"\{[^}]*\}", "*", route.partition(" ")[2]) for each in (COMMON, *ROLES.values()) for route in each}
    for route in re.findall(r"/v1/[a-z/{}_-]*[a-z}]", page.read_text(encoding="utf-8")):
        assert re.sub(r"\{[^}]*\}", "*", route) in known, route


def variables(settings: type[ProcessSettings]) -> Iterator[tuple[str, object]]:
    """Each variable with its default; Kafka's stand in a value of their own."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    for name, field in settings.model_fields.items():
        if field.annotation is Cluster:
            yield from ((f"{KAFKA}{each.name.upper()}", each.default) for each in fields(Cluster))
        else:
            yield str(field.validation_alias or f"{prefix}{name.upper()}"), field.default


def shown(default: object) -> str:
    if default in {PydanticUndefined, MISSING}:
        return "required"
    return "empty" if default in {None, ""} else str(default)


def rows() -> dict[str, str]:
    """Variable and default of every row of the page of settings."""
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| .+ \|$", text_of("docs/settings.md"), re.MULTILINE))


def test_every_setting_is_documented_with_its_default_and_nothing_else_is() -> None:
    real = {name: shown(default) for settings in SERVICES.values() for name, default in variables(settings)}
    local = {variable(part): str(PORTS[part]) for part in PORTS if part not in SERVICES}
    local |= {"KAFKA": EMBEDDED, "KIZUNA_TEST_SERVERS": "empty"} | dict.fromkeys(
        ("DATABASE_URL", "KIZUNA_PRIVATE_KEY_FILE"), "the stack's own"
    )
    assert rows() == real | local


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_few_settings_of_its_own(service: str) -> None:
    own = [name for name, _ in variables(SERVICES[service]) if name.startswith(f"KIZUNA_{service.upper()}_")]
    assert len(own) <= MOST_SETTINGS


@EACH
def test_variables_that_are_named_exist(page: Path) -> None:
    known = set(re.findall(r"KIZUNA_[A-Z_]+", text_of("docs/settings.md")))
    known |= {f"KIZUNA_{each.upper()}_{what}" for each in (*PORTS, *SERVICES) for what in ("PORT", "URL")}
    for name in re.findall(r"KIZUNA_[A-Z_]*[A-Z]", page.read_text(encoding="utf-8")):
        assert name.removesuffix(FROM_FILE) in known or name in known, name


def recipe(part: str) -> tuple[Any, Any]:
    """Return the plug-in that a recipe of CONTRIBUTING makes, and the YAML line that goes with it."""
    section = text_of("CONTRIBUTING.md").partition(f"## A new {part}\n")[2].partition("\n## ")[0]
    [code] = [block for block in code_of("CONTRIBUTING.md", "python") if block.splitlines()[0] in section]
    [line] = [block for block in code_of("CONTRIBUTING.md", "yaml") if block.strip() in section]
    module: dict[str, Any] = {}
    exec(compile(code, part, "exec", dont_inherit=True), module)  # noqa: S102 - the recipe is ours, and is to work
    return module["PLUGIN"], msgspec.yaml.decode(line)


def test_the_recipe_for_a_measure_works_as_it_stands() -> None:
    measure, line = recipe("measure")
    assert isinstance(measure, Measure)
    hold(measure)
    weighed = msgspec.convert(line[measure.name], Weighed)
    assert weighed.weight == 0, "following the recipe changes no score"


def test_the_recipe_for_a_signal_works_as_it_stands() -> None:
    detector, line = recipe("signal")
    assert isinstance(detector, Detector)
    assert msgspec.convert(line[detector.name], detector.rule)


@pytest.mark.parametrize("language", ["python", "js"])
def test_an_sdk_is_pointed_here_in_five_lines(language: str) -> None:
    [lines] = code_of("README.md", language)
    assert len([line for line in lines.splitlines() if line]) <= 5


def test_the_changelog_knows_this_version() -> None:
    version = re.search(r'^version = "(.+)"', text_of("pyproject.toml"), re.MULTILINE)
    assert version
    assert f"## [{version[1]}]" in text_of("CHANGELOG.md")
