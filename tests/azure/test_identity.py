from __future__ import annotations

import json
import logging
import uuid
from pathlib import Path

import pytest

from serialfix import __version__
from serialfix.azure.identity import Azure, AzurePatience
from serialfix.errors import AccessError, AzureUnreachable, ConfigError
from tests.azure.arm_double import QUICK, SUB, TOKEN, Arm, error


OTHER = "22222222-2222-3333-4444-555555555555"
THIRD = "33333333-2222-3333-4444-555555555555"


def listed(*named: tuple[str, str]) -> dict[str, object]:
    return {
        "value": [
            {"subscriptionId": id_, "displayName": name, "state": "Enabled"} for id_, name in named
        ]
    }


def az_profile(environ: dict[str, str], *subscriptions: dict[str, object]) -> None:
    file = Path(environ["AZURE_CONFIG_DIR"]) / "azureProfile.json"
    file.write_text(json.dumps({"subscriptions": subscriptions}), encoding="utf-8-sig")


async def test_the_option_wins(environ: dict[str, str], arm: Arm) -> None:
    az_profile(environ, {"id": THIRD, "isDefault": True})
    async with Azure(environ=environ, subscription=OTHER, patience=QUICK) as azure:
        assert await azure.subscription_id() == OTHER
    assert arm.seen == []


async def test_then_the_environment(environ: dict[str, str]) -> None:
    az_profile(environ, {"id": THIRD, "isDefault": True})
    async with Azure(environ=environ, patience=QUICK) as azure:
        assert await azure.subscription_id() == SUB


async def test_then_the_default_of_az(environ: dict[str, str], arm: Arm) -> None:
    del environ["AZURE_SUBSCRIPTION_ID"]
    az_profile(environ, {"id": OTHER, "isDefault": False}, {"id": THIRD, "isDefault": True})
    async with Azure(environ=environ, patience=QUICK) as azure:
        assert await azure.subscription_id() == THIRD
    assert arm.seen == []


@pytest.mark.parametrize("profile", [False, True])
async def test_else_an_error_that_lists_what_is_visible(
    environ: dict[str, str], arm: Arm, profile: bool
) -> None:
    del environ["AZURE_SUBSCRIPTION_ID"]
    if profile:
        az_profile(environ, {"id": OTHER, "isDefault": False})
    arm.on("GET", "/subscriptions", (200, listed((SUB, "Production"))))
    async with Azure(environ=environ, patience=QUICK) as azure:
        with pytest.raises(ConfigError) as caught:
            await azure.subscription_id()  # one only, and still not guessed
    assert str(caught.value) == f"no subscription is chosen; visible: Production ({SUB})"
    assert "--subscription" in caught.value.remedy


@pytest.mark.parametrize("content", ["{", "[]", '{"subscriptions": 1}', '{"subscriptions": [1]}'])
async def test_a_broken_profile_of_az(environ: dict[str, str], content: str) -> None:
    del environ["AZURE_SUBSCRIPTION_ID"]
    (Path(environ["AZURE_CONFIG_DIR"]) / "azureProfile.json").write_text(content)
    async with Azure(environ=environ, patience=QUICK) as azure:
        with pytest.raises(ConfigError, match=r"azureProfile\.json"):
            await azure.subscription_id()


async def test_by_name_over_all_pages(environ: dict[str, str], arm: Arm) -> None:
    first = listed((SUB, "Production")) | {"nextLink": f"{arm.base}/page2?skip=1"}
    arm.on("GET", "/subscriptions", (200, first))
    arm.on("GET", "/page2", (200, listed((OTHER, "Development"))))
    async with Azure(environ=environ, subscription="DEVELOPMENT", patience=QUICK) as azure:
        assert await azure.subscription_id() == OTHER
        assert await azure.subscription_id() == OTHER
    assert len(arm.seen) == 2


async def test_a_next_link_to_another_host_gets_no_token(environ: dict[str, str], arm: Arm) -> None:
    link = f"{arm.base.replace('127.0.0.1', 'localhost')}/page2"
    arm.on("GET", "/subscriptions", (200, listed((SUB, "Production")) | {"nextLink": link}))
    arm.on("GET", "/page2", (200, listed((OTHER, "Development"))))
    async with Azure(environ=environ, patience=QUICK) as azure:
        assert [each.name for each in await azure.subscriptions()] == ["Production"]


async def test_a_name_of_two_lists_both(environ: dict[str, str], arm: Arm) -> None:
    arm.on("GET", "/subscriptions", (200, listed((SUB, "Same"), (OTHER, "same"), (THIRD, "x"))))
    async with Azure(environ=environ, subscription="same", patience=QUICK) as azure:
        with pytest.raises(ConfigError, match="several") as caught:
            await azure.subscription_id()
    assert SUB in str(caught.value)
    assert OTHER in str(caught.value)
    assert THIRD not in str(caught.value)


async def test_an_unknown_name(environ: dict[str, str], arm: Arm) -> None:
    arm.on("GET", "/subscriptions", (200, listed((SUB, "Production"))))
    async with Azure(environ=environ, subscription="Produktion", patience=QUICK) as azure:
        with pytest.raises(ConfigError, match=r"'Produktion'; visible: Production \(1111"):
            await azure.subscription_id()


async def test_the_token_is_a_secret(azure: Azure) -> None:
    secret = await azure.token()
    assert secret.reveal() == TOKEN
    assert TOKEN not in f"{secret} {secret!r}"


async def test_the_headers_of_a_request(environ: dict[str, str], arm: Arm) -> None:
    arm.on("GET", "/subscriptions", (200, listed()))
    run = str(uuid.uuid4())
    async with Azure(environ=environ, run_id=run, patience=QUICK) as azure:
        await azure.subscriptions()
        await azure.subscriptions()
    first, second = (each.headers for each in arm.seen)
    assert first["Authorization"] == f"Bearer {TOKEN}"
    assert first["User-Agent"].startswith(f"serialfix/{__version__}")
    assert first["x-ms-correlation-request-id"] == second["x-ms-correlation-request-id"] == run
    assert first["x-ms-client-request-id"] != second["x-ms-client-request-id"]


async def test_a_run_id_that_is_no_guid_becomes_one(environ: dict[str, str], arm: Arm) -> None:
    arm.on("GET", "/subscriptions", (200, listed()))
    for _ in range(2):
        async with Azure(environ=environ, run_id="20250101-myvm", patience=QUICK) as azure:
            await azure.subscriptions()
    sent = {each.headers["x-ms-correlation-request-id"] for each in arm.seen}
    assert len(sent) == 1
    assert uuid.UUID(sent.pop())


async def test_sign_in_refused(azure: Azure, arm: Arm) -> None:
    arm.token_answer = (400, {"error": "invalid_request", "error_description": "no identity"})
    with pytest.raises(AccessError, match="sign-in to Azure failed") as caught:
        await azure.token()
    assert "az login" in caught.value.remedy
    with pytest.raises(AccessError, match="sign-in to Azure failed"):  # out of the pipeline too
        await azure.subscriptions()
    assert arm.seen == []


async def test_nobody_answers(environ: dict[str, str], unused_tcp_port: int) -> None:
    told: list[str] = []
    environ["SERIALFIX_ARM_ENDPOINT"] = f"http://127.0.0.1:{unused_tcp_port}"
    async with Azure(environ=environ, patience=QUICK, observer=told.append) as azure:
        with pytest.raises(AzureUnreachable, match="when asked to list the subscriptions") as got:
            await azure.subscriptions()
    assert got.value.exit_code == 6
    assert "HTTPS_PROXY" in got.value.remedy
    assert told == ["Azure did not answer, trying again"] * QUICK.retries


@pytest.mark.parametrize("body", ["<html>", "[]"])
async def test_an_answer_that_is_no_object(azure: Azure, arm: Arm, body: str) -> None:
    arm.on("GET", "/subscriptions", (200, body))
    with pytest.raises(Exception, match="not understood") as caught:
        await azure.subscriptions()
    assert caught.type.__name__ == "AzureRefused"


@pytest.mark.parametrize(
    "endpoint", ["http://management.example.com", "ftp://localhost", "localhost:1", "https://"]
)
def test_an_endpoint_without_tls(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="SERIALFIX_ARM_ENDPOINT"):
        Azure(environ={"SERIALFIX_ARM_ENDPOINT": endpoint})


@pytest.mark.parametrize(
    ("environ", "endpoint", "scope"),
    [
        ({}, "https://management.azure.com", "https://management.azure.com/.default"),
        (
            {"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/"},
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net/.default",
        ),
        (
            {"AZURE_AUTHORITY_HOST": "login.chinacloudapi.cn"},
            "https://management.chinacloudapi.cn",
            "https://management.chinacloudapi.cn/.default",
        ),
        (
            {"SERIALFIX_ARM_ENDPOINT": "https://management.usgovcloudapi.net/"},
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net/.default",
        ),
        (
            {"SERIALFIX_ARM_ENDPOINT": "https://eastus.management.azure.com"},
            "https://eastus.management.azure.com",
            "https://management.azure.com/.default",
        ),
    ],
)
def test_the_clouds(environ: dict[str, str], endpoint: str, scope: str) -> None:
    azure = Azure(environ=environ)
    assert azure.endpoint == endpoint
    assert azure._cloud.scope == scope


def test_where_a_token_may_go() -> None:
    azure = Azure(environ={})
    assert azure.trusts("https://management.azure.com/x")
    assert azure.trusts("https://eastus.management.azure.com:443/x")
    assert not azure.trusts("http://management.azure.com/x")
    assert not azure.trusts("https://management.azure.com.example.com/x")
    assert not azure.trusts("https://xmanagement.azure.com/x")


async def test_settings_that_azure_identity_refuses(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")
    with pytest.raises(ConfigError, match="azure-identity"):
        async with Azure(environ=environ):
            pass


async def test_a_certificate_file_that_is_not_there(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="SSL_CERT_FILE"):
        async with Azure(environ=environ | {"SSL_CERT_FILE": "/nowhere.pem"}):
            pass


async def test_no_log_holds_the_token(
    azure: Azure, arm: Arm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    arm.on("GET", "/subscriptions", error(403, "AuthorizationFailed"))
    with pytest.raises(AccessError) as caught:
        await azure.subscriptions()
    assert "/subscriptions" in caplog.text  # the SDK does log the call
    assert TOKEN not in caplog.text
    assert TOKEN not in f"{caught.value} {caught.value.__cause__!r} {caught.value.__cause__}"


def test_patience_is_short_enough_for_a_person() -> None:
    patience = AzurePatience()
    slept = sum(min(patience.backoff * 2**n, patience.backoff_max) for n in range(patience.retries))
    assert slept < 20
