"""From a name to a model."""

import logging
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints

import anyio
import pytest

from weft.core.errors import ConfigError
from weft.loop import Agent
from weft.models import (
    MissingExtraError,
    ModelAuthError,
    ModelProvider,
    ModelUnavailableError,
    UnknownProviderError,
    get_model,
    known_providers,
    registry,
)
from weft.models.registry import default_choice
from weft.models.retry import ModelRetryConfig
from weft.testing.models import ScriptedModel, ScriptExhaustedError, register_script

AZURE = {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://x"}
PROVIDER = ModelProvider(open=lambda rest, **_options: ScriptedModel([], name=f"outside:{rest}"))


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST", "WEFT_MODEL", *AZURE):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.requirement("MOD-1")
def test_a_name_without_a_colon_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        get_model("gpt-4o")

    expected = "model must be 'provider:model', got 'gpt-4o'; for example 'openai:gpt-4o'"
    assert str(caught.value) == expected


@pytest.mark.requirement("MOD-2")
@pytest.mark.parametrize("name", ["openia:gpt-4o", "anthropic:claude", "oci:x"])
def test_an_unknown_provider_is_told_with_those_there_are(name: str) -> None:
    with pytest.raises(UnknownProviderError) as caught:
        get_model(name)

    assert {"offline", "ollama", "openai"} <= set(caught.value.known)
    assert "known: " in str(caught.value)
    if name.startswith("openia"):
        assert "did you mean 'openai'?" in str(caught.value)


@pytest.mark.requirement("MOD-2")
@pytest.mark.parametrize("name", ["openai:gpt-4o", "azure:x", "ollama:llama3.1:8b"])
def test_a_missing_package_is_told_with_the_line_that_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda _package: None)

    with pytest.raises(MissingExtraError) as caught:
        get_model(name)

    assert "pip install 'weft-mesh[openai]'" in str(caught.value)


@pytest.mark.requirement("MOD-3")
@pytest.mark.parametrize(
    ("environment", "chosen"),
    [
        ({}, "offline:"),
        ({"OPENAI_API_KEY": "k"}, "openai:gpt-4o"),
        ({"OPENAI_API_KEY": ""}, "offline:"),
        ({"AZURE_OPENAI_API_KEY": "k"}, "offline:"),
        (AZURE, "azure:gpt-4o"),
        ({**AZURE, "OPENAI_API_KEY": "k"}, "openai:gpt-4o"),
        ({"OPENAI_API_KEY": "k", "WEFT_MODEL": "ollama:phi"}, "ollama:phi"),
    ],
)
def test_no_name_means_the_first_model_with_credentials(
    environment: dict[str, str], chosen: str
) -> None:
    assert default_choice(environment)[0] == chosen


@pytest.mark.requirement("MOD-3")
def test_the_choice_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    registry._announce.cache_clear()
    caplog.set_level(logging.INFO)

    models = [get_model(), get_model(None)]

    assert [model.name for model in models] == ["offline:rules", "offline:rules"]
    [record] = [one for one in caplog.records if one.message == "model.chosen"]
    assert record.__dict__["model"] == "offline:"
    assert "no credentials" in record.__dict__["reason"]


@pytest.mark.requirement("MOD-4")
@pytest.mark.parametrize("name", ["openai:gpt-4o", "azure:gpt-4o"])
def test_a_named_provider_without_credentials_is_an_error(name: str) -> None:
    with pytest.raises(ModelAuthError, match="OPENAI_API_KEY"):
        get_model(name)


@pytest.mark.requirement("MOD-5")
def test_a_wrong_option_does_not_spill_the_key() -> None:
    with pytest.raises(ConfigError) as caught:
        get_model("openai:gpt-4o", api_key="sk-secret", silence=-1)

    assert "silence" in str(caught.value)
    assert "sk-secret" not in f"{caught.value!r} {caught.value.__cause__}"


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'base_url'"):
        get_model("openai:gpt-4o", api_key="k", baseurl="http://x")


def test_everything_after_the_first_colon_is_the_model() -> None:
    assert get_model("ollama:llama3.1:8b").name == "ollama:llama3.1:8b"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("gpu:11434", "http://gpu:11434/v1"),
        ("https://gpu/", "https://gpu/v1"),
        ("http://gpu/v1", "http://gpu/v1"),
    ],
)
def test_the_address_of_ollama_comes_from_its_own_variable(
    host: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)

    assert vars(get_model("ollama:phi"))["_settings"].base_url == url


@pytest.mark.parametrize("name", ["openai:", "ollama:", "offline:gpt"])
def test_a_provider_without_such_a_model_says_so(name: str) -> None:
    with pytest.raises(ConfigError):
        get_model(name, **({"api_key": "k"} if name == "openai:" else {}))


def test_others_register_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("outside", f"{__name__}:PROVIDER", "weft.models")
    monkeypatch.setattr(EntryPoint, "load", lambda _self: PROVIDER)

    def listed(*, group: str, name: str = "outside") -> EntryPoints:
        return EntryPoints([entry]).select(group=group, name=name)

    monkeypatch.setattr(registry, "entry_points", listed)

    assert "outside" in known_providers()
    assert get_model("outside:x:y").name == "outside:x:y"


@pytest.mark.requirement("MOD-26")
async def test_registered_scripts_open_by_name() -> None:
    register_script("greeting", ["hello"])

    assert get_model("scripted:greeting").name == "scripted:greeting"
    with pytest.raises(ScriptExhaustedError, match="greeting"):
        get_model("scripted:unheard")


@pytest.mark.requirement("MOD-26")
async def test_without_the_test_package_scripts_are_unknown() -> None:
    script = (
        "import sys\nfrom weft.models import get_model, UnknownProviderError\n"
        "try: get_model('scripted:x')\n"
        "except UnknownProviderError: print('unknown', 'openai' in sys.modules)\n"
    )

    with anyio.fail_after(15):
        done = await anyio.run_process([sys.executable, "-c", script], stderr=subprocess.STDOUT)

    assert done.stdout.decode().strip() == "unknown False"


@pytest.mark.requirement("MOD-21", "MOD-23")
async def test_several_names_are_one_model_and_the_next_answers_when_one_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register_script("down", [ModelUnavailableError("no quota")] * 2)
    register_script("up", ["I am here"])
    monkeypatch.setenv("WEFT_MODEL", "scripted:down, scripted:up")

    result = await Agent(model_retry=ModelRetryConfig(max_retries=0)).arun("who is there?")

    assert result.text == "I am here"


@pytest.mark.requirement("MOD-1")
@pytest.mark.parametrize("names", ["offline:,nobody", "offline:,", "offline:,nobody:x"])
def test_each_of_several_names_must_be_one(names: str) -> None:
    with pytest.raises(ConfigError):
        get_model(names)
