"""A secret of a Key Vault: over TLS, with a token that goes nowhere else."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from serialfix.azure.identity import Azure
from serialfix.azure.keyvault import read_secret, vault_suffix
from serialfix.errors import (
    AccessError,
    AzureRefused,
    AzureUnreachable,
    ConfigError,
    GuestPasswordMissing,
    SerialfixError,
)
from serialfix.lab.certificates import VAULTS, make_certificates, server_context
from serialfix.lab.guest import PASSWORD
from serialfix.lab.server import Lab
from serialfix.lab.switches import SECRET_DISABLED, VAULT_FIREWALL, VAULT_FORBIDDEN, VaultFaults
from serialfix.lab.vm import LabVm
from tests.azure.arm_double import QUICK, TOKEN, Answer, Arm, error
from tests.lab.doubles import FakeGuest


SECRET = "/secrets/web-1-admin"
VALUE = "S3cret of web-1!"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One for all: a trust store takes a tenth of a second to read."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def vault(
    arm: Arm, environ: dict[str, str], certificates: tuple[Path, Path]
) -> AsyncIterator[Arm]:
    """A scriptable vault over TLS, which the cloud's ARM names; `corp` and all others are there."""
    chain, bundle = certificates
    double = Arm()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", double.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_context(chain)).start()
    double.base = f"{VAULTS}:{runner.addresses[0][1]}"
    named(arm, double.base)
    double.on("GET", SECRET, (200, {"value": VALUE, "id": "x"}))
    environ["SSL_CERT_FILE"] = str(bundle)
    yield double
    await runner.cleanup()


@pytest.fixture
async def azure(vault: Arm, environ: dict[str, str]) -> AsyncIterator[Azure]:
    async with Azure(environ=environ, patience=QUICK) as signed_in:
        yield signed_in


@pytest.fixture
async def lab(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
    async with Lab([LabVm(guest=FakeGuest(), name=name) for name in ("web-1", "web-2")]) as lab:
        for name, value in lab.env.items():
            monkeypatch.setenv(name, value)
        lab.vaults.secrets["corp"] = {"web-2-admin": "of web-2"}
        yield lab


def named(arm: Arm, suffix: str) -> None:
    arm.on("GET", "/metadata/endpoints", (200, {"suffixes": {"keyVaultDns": suffix}}))


async def test_the_value_for_a_token_of_the_vaults(azure: Azure, vault: Arm) -> None:
    secret = await read_secret(azure, "corp", "web-1-admin", vm="web-1")
    assert secret.reveal() == VALUE
    assert f"{secret}" == "<redacted:guest_password>"
    (request,) = vault.seen
    assert request.host == f"corp.{vault.base}"
    assert dict(request.query) == {"api-version": "7.4"}
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"


async def test_with_the_lab_a_vault_takes_only_tokens_for_vaults(lab: Lab) -> None:
    async with Azure(environ=lab.env, patience=QUICK) as azure:
        assert (await read_secret(azure, "lab", "web-1-admin", vm="w")).reveal() == PASSWORD
        assert (await read_secret(azure, "CORP", "WEB-2-admin", vm="w")).reveal() == "of web-2"
        resources = {resource for _, resource in lab.cloud.tokens.minted.values()}
        assert f"https://{lab.cloud.vault_suffix}" in resources
        lab.cloud.tokens.audiences.clear()  # ARM takes none of them
        assert (await read_secret(azure, "lab", "web-2-admin", vm="w")).reveal() == PASSWORD
    assert lab.vaults.reads.total() == 3


LAB_REFUSALS = [
    (VaultFaults(deny={"lab": VAULT_FORBIDDEN}), AccessError, "Key Vault Secrets User on lab"),
    (VaultFaults(deny={"*": VAULT_FIREWALL}), AccessError, "firewall of lab"),
    (
        VaultFaults(deny={"lab/web-1-admin": SECRET_DISABLED}),
        GuestPasswordMissing,
        "set-attributes --vault-name lab --name web-1-admin",
    ),
    (VaultFaults(throttle={"lab": 9}), AzureRefused, "try again after"),
    (VaultFaults(throttle={"*": 9}, throttle_seconds=600), AzureRefused, "try again after"),
]


@pytest.mark.parametrize(("faults", "kind", "remedy"), LAB_REFUSALS)
async def test_refusals_of_the_lab(
    lab: Lab, faults: VaultFaults, kind: type[SerialfixError], remedy: str
) -> None:
    lab.vaults.faults = faults
    async with Azure(environ=lab.env, patience=QUICK) as azure:
        with pytest.raises(SerialfixError) as caught:
            await read_secret(azure, "lab", "web-1-admin", vm="web-1")
    assert type(caught.value) is kind
    assert "the secret web-1-admin of the vault lab for web-1" in str(caught.value)
    assert remedy in caught.value.remedy


async def test_throttled_once_is_waited_for(lab: Lab) -> None:
    lab.vaults.faults = VaultFaults(throttle={"*": 2})
    async with Azure(environ=lab.env, patience=QUICK) as azure:
        assert (await read_secret(azure, "lab", "web-1-admin", vm="w")).reveal() == PASSWORD
    assert lab.vaults.reads["lab/web-1-admin"] == 3


async def test_what_the_lab_does_not_have(lab: Lab) -> None:
    async with Azure(environ=lab.env, patience=QUICK) as azure:
        with pytest.raises(GuestPasswordMissing, match="404 SecretNotFound") as missing:
            await read_secret(azure, "lab", "web-3-admin", vm="web-3")
        with pytest.raises(AzureUnreachable) as nowhere:
            await read_secret(azure, "prod", "web-1-admin", vm="web-1")
    assert missing.value.exit_code == 4
    assert "az keyvault secret set --vault-name lab --name web-3-admin" in missing.value.remedy
    assert nowhere.value.remedy.startswith("Check the name of the vault, prod.")


REFUSALS: list[tuple[Answer, type[SerialfixError], str]] = [
    (error(401, "Unauthorized", "AKV10032: Invalid issuer."), AccessError, "az login --tenant"),
    (error(404, "SecretNotFound"), GuestPasswordMissing, "az keyvault secret set"),
    (error(409, "Conflict"), AzureRefused, "Do what the message asks for"),
    (error(503, "ServiceUnavailable"), AzureRefused, "try again in a minute"),
    ((200, "<html>"), AzureRefused, ""),
]


@pytest.mark.parametrize(("answer", "kind", "remedy"), REFUSALS)
async def test_other_refusals(
    azure: Azure, vault: Arm, answer: Answer, kind: type[SerialfixError], remedy: str
) -> None:
    vault.on("GET", SECRET, answer)
    with pytest.raises(SerialfixError) as caught:
        await read_secret(azure, "corp", "web-1-admin", vm="web-1")
    assert type(caught.value) is kind
    assert remedy in caught.value.remedy


async def test_a_redirect_gets_no_token(azure: Azure, vault: Arm, arm: Arm) -> None:
    for target in (f"https://evil.{vault.base}/x", f"{arm.base}/x", f"https://corp.{vault.base}/x"):
        vault.on("GET", SECRET, (302, {}, {"Location": target}))
        with pytest.raises(AzureRefused):
            await read_secret(azure, "corp", "web-1-admin", vm="web-1")
    assert {each.path for each in vault.seen} == {SECRET}
    assert not arm.calls("GET", "/x")


async def test_a_challenge_names_no_other_audience(
    azure: Azure, vault: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    get_token = azure._sign_in.get_token

    async def spy(*scopes: str, **options: object) -> object:
        asked.extend(scopes)
        return await get_token(*scopes, **options)

    monkeypatch.setattr(azure._sign_in, "get_token", spy)
    challenge = f'Bearer authorization="{vault.base}/t", resource="https://evil.example"'
    vault.on("GET", SECRET, error(401, "Unauthorized", WWW_Authenticate=challenge))
    with pytest.raises(AccessError):
        await read_secret(azure, "corp", "web-1-admin", vm="web-1")
    vaults = f"https://{vault.base}/.default"
    assert vaults in asked
    assert set(asked) <= {vaults, azure._cloud.scope}


async def test_what_cannot_be_a_name_is_not_asked_for(azure: Azure, vault: Arm, arm: Arm) -> None:
    hosts = ("evil.example#", "corp@evil", "corp\n", "cörp", "a.b", "a/b")
    vaults = ("", "ab", "a" * 25, "1ab", "a--b", "ab-", *hosts)
    secrets = ("", "a_b", "a.b", "a/b", "../x", "a?b", "a%2fb", "a" * 128)
    for where, name in [*((each, "x") for each in vaults), *(("corp", each) for each in secrets)]:
        with pytest.raises(GuestPasswordMissing, match=r"^web_1: no (vault|secret) can be called"):
            await read_secret(azure, where, name, vm="web_1")
    assert vault.seen == arm.seen == []


async def test_a_certificate_that_nobody_vouches_for(vault: Arm, environ: dict[str, str]) -> None:
    del environ["SSL_CERT_FILE"]
    async with Azure(environ=environ, patience=QUICK) as azure:
        with pytest.raises(AzureUnreachable, match="corp"):
            await read_secret(azure, "corp", "web-1-admin", vm="web-1")
    assert vault.seen == []


async def test_a_certificate_of_another_host(azure: Azure, vault: Arm, arm: Arm) -> None:
    named(arm, f"deeper.{vault.base}")
    with pytest.raises(AzureUnreachable, match="corp"):
        await read_secret(azure, "corp", "web-1-admin", vm="web-1")
    assert vault.seen == []


@pytest.mark.parametrize(
    ("environ", "suffix"),
    [
        ({}, "vault.azure.net"),
        ({"SERIALFIX_ARM_ENDPOINT": "https://eastus.management.azure.com"}, "vault.azure.net"),
        (
            {"SERIALFIX_ARM_ENDPOINT": "https://management.usgovcloudapi.net"},
            "vault.usgovcloudapi.net",
        ),
        ({"AZURE_AUTHORITY_HOST": "login.chinacloudapi.cn"}, "vault.azure.cn"),
    ],
)
async def test_the_vaults_of_the_clouds(environ: dict[str, str], suffix: str) -> None:
    assert await vault_suffix(Azure(environ=environ)) == suffix


async def test_a_private_cloud_may_write_its_suffix_with_a_dot(azure: Azure, arm: Arm) -> None:
    named(arm, ".vault.local.azurestack.external")
    assert await vault_suffix(azure) == "vault.local.azurestack.external"


async def test_a_private_cloud_that_does_not_say(azure: Azure, arm: Arm) -> None:
    bad = ("", ".", "vault", "a.b/c", "a.b@c", "a b.c")
    bodies: list[object] = [{}, {"suffixes": None}, {"suffixes": {}}]
    bodies += [{"suffixes": {"keyVaultDns": each}} for each in bad]
    answers: list[Answer] = [(200, body) for body in bodies]
    for answer in (*answers, error(404, "InvalidResourceType")):
        arm.on("GET", "/metadata/endpoints", answer)
        with pytest.raises(ConfigError, match="does not say where") as caught:
            await vault_suffix(azure)
        assert "command:" in caught.value.remedy


async def test_no_log_and_no_error_holds_the_value(
    azure: Azure, vault: Arm, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await read_secret(azure, "corp", "web-1-admin", vm="web-1")
    assert SECRET in caplog.text  # the SDK does log the call
    assert VALUE not in caplog.text
    assert TOKEN not in caplog.text
