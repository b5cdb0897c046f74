"""One secret out of a Key Vault.

Through our own pipeline and not through azure-keyvault-secrets: what that adds is the dance in
which a vault's 401 names the audience of the token. Here the audience follows from the cloud, so
that no answer can name one, and a token for vaults goes to hosts of vaults alone.
"""

from __future__ import annotations

import re

from serialfix.azure.identity import Azure
from serialfix.azure.refusals import Row
from serialfix.errors import (
    AccessError,
    AzureUnreachable,
    ConfigError,
    GuestPasswordMissing,
    TargetError,
)
from serialfix.secrets import Secret


ALLOWED = re.compile(r"[0-9A-Za-z-]+")
"""Of the names of vaults and of secrets."""
_NAMES = {
    "vault": re.compile(r"(?=.{3,24}\Z)[A-Za-z](?:-?[0-9A-Za-z])+"),
    "secret": re.compile(r"[0-9A-Za-z-]{1,127}"),
}
_SUFFIX = re.compile(r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)+(?::[0-9]{1,5})?")
_API_VERSION = {"api-version": "7.4"}


async def read_secret(azure: Azure, vault: str, name: str, *, vm: str) -> Secret:
    """The present value of a secret, which is the guest's password of `vm`.

    Raises GuestPasswordMissing (no such secret, or it is disabled), AccessError, AzureRefused,
    AzureUnreachable, ConfigError.
    """
    for noun, text in (("vault", vault), ("secret", name)):
        if not _NAMES[noun].fullmatch(text):
            raise GuestPasswordMissing(
                f"{vm}: no {noun} can be called {text!r}: letters, digits and dashes are allowed, "
                f"{'3 to 24' if noun == 'vault' else '1 to 127'} of them",
                remedy="Take a template that fits this VM, or --credential command:….",
            )
    suffix = await vault_suffix(azure)
    try:
        answer = await azure.read_beside(
            f"https://{vault}.{suffix}/secrets/{name}",
            scope=f"https://{suffix}/.default",
            doing=f"to read the secret {name} of the vault {vault} for {vm}",
            rows=_rows(vault, name),
            params=_API_VERSION,
        )
    except AzureUnreachable as error:  # no vault of that name: no host of that name
        error.remedy = f"Check the name of the vault, {vault}. {error.remedy}"
        raise
    return Secret(str(answer.get("value") or ""), "guest_password")


async def vault_suffix(azure: Azure) -> str:
    """What the names of this cloud's vaults end with; a private cloud's ARM tells it.

    Raises ConfigError when it does not (azure.md §12: `suffixes.keyVaultDns`).
    """
    if (cloud := azure.known_cloud) is not None:
        return cloud.vaults
    try:
        told = await azure.request(
            "GET",
            "/metadata/endpoints",
            doing="to name its endpoints",
            params={"api-version": "2022-09-01"},
        )
    except TargetError:
        told = {}
    suffixes = told.get("suffixes")
    suffix = str(suffixes.get("keyVaultDns") or "") if isinstance(suffixes, dict) else ""
    if not _SUFFIX.fullmatch(suffix := suffix.lstrip(".")):
        raise ConfigError(
            f"{azure.endpoint}/metadata/endpoints does not say where this cloud's Key Vaults are",
            remedy="Give --credential command:… with a command that prints the password.",
        )
    return suffix


def _rows(vault: str, name: str) -> dict[int | str, Row]:
    """What refusals of Key Vault mean."""
    return {
        "disabled secret": Row(
            GuestPasswordMissing,
            f"Enable it: `az keyvault secret set-attributes --vault-name {vault} --name {name} "
            "--enabled true`.",
        ),
        "Client address is not authorized": Row(
            AccessError,
            f"Let this machine through the firewall of {vault}: `az keyvault network-rule add`.",
        ),
        401: Row(
            AccessError,
            f"Sign in to the tenant of {vault}: AZURE_TENANT_ID, or `az login --tenant ID`.",
        ),
        403: Row(
            AccessError,
            f"Ask for the role Key Vault Secrets User on {vault}; where it has access policies, "
            "for the permission to get secrets.",
        ),
        404: Row(
            GuestPasswordMissing,
            f"Set it: `az keyvault secret set --vault-name {vault} --name {name} --file FILE`, or "
            "correct the template.",
        ),
    }
