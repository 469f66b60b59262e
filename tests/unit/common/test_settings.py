"""Defaults under a file under the environment; every mistake names its key."""

from pathlib import Path

import pytest

from brokkr_broker import config as broker_config
from brokkr_common.settings import SettingsError
from brokkr_operator import config as agent_config


def test_the_environment_wins_over_the_file_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "b.toml"
    file.write_text('[api]\nport = 1\nhost = "::1"\n[agent]\npak = "shared file"\n')
    environ = {"BROKKR_CONFIG_FILE": str(file), "BROKKR__API__PORT": "2"}
    config = broker_config.load(environ)
    assert (config.api.port, config.api.host, config.log.level) == (2, "::1", "info")


def test_units() -> None:
    config = broker_config.load(
        {"BROKKR__API__MAX_BODY_SIZE": "2mb", "BROKKR__API__REQUEST_TIMEOUT": "1m"}
    )
    assert (config.api.max_body_size, config.api.request_timeout) == (2 * 1024**2, 60)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"BROKKR__API__PROT": "1"}, "api.prot: unknown setting (from BROKKR__API__PROT)"),
        ({"BROKKR__APY__PORT": "1"}, "apy: unknown setting (from BROKKR__APY__PORT)"),
        ({"BROKKR__API": "1"}, "BROKKR__API: expected BROKKR__SECTION__KEY"),
        ({"BROKKR__API__PORT": "70000"}, "api.port: Expected `int` <= 65535"),
        ({"BROKKR__API__REQUEST_TIMEOUT": "soon"}, "api.request_timeout: 'soon' is not a number"),
        ({"BROKKR__LOG__LEVEL": "loud"}, "log.level: Invalid enum value 'loud'"),
        ({"BROKKR__DATABASE__SCHEMA": "a;b"}, "database.schema: Expected `str` matching"),
        ({"BROKKR_CONFIG_FILE": "/nowhere.toml"}, "BROKKR_CONFIG_FILE=/nowhere.toml: No such file"),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else None,
)
def test_mistakes(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        broker_config.load(environ)
    assert str(caught.value).startswith(message)


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    file = tmp_path / "b.toml"
    file.write_text("[api\n")
    with pytest.raises(SettingsError, match="not valid TOML"):
        broker_config.load({"BROKKR_CONFIG_FILE": str(file)})


def test_what_is_required_says_how_to_give_it() -> None:
    with pytest.raises(SettingsError, match=r"agent\.pak: required: .* BROKKR__AGENT__PAK"):
        agent_config.load({"BROKKR__AGENT__AGENT_NAME": "a"})
    both = {"BROKKR__AGENT__PAK": "a", "BROKKR__AGENT__PAK_FILE": "b"}
    with pytest.raises(SettingsError, match="not both"):
        agent_config.load(both)
