from __future__ import annotations

import base64
import json

import aiohttp
import pytest

from serialfix.lab.identity import TENANT, Tokens, Verdict
from serialfix.lab.server import Lab
from serialfix.lab.vm import LabVm
from tests.lab.doubles import FakeGuest


def test_tokens_look_like_real_ones() -> None:
    tokens = Tokens()
    token = tokens.mint()
    head, claims, signature = token.split(".")
    assert 1_300 < len(token) < 1_800
    assert len(signature) == 342  # RS256
    assert json.loads(base64.urlsafe_b64decode(head + "==="))["alg"] == "RS256"
    assert json.loads(base64.urlsafe_b64decode(claims + "==="))["tid"] == TENANT
    assert tokens.mint() != token


def test_verdicts() -> None:
    tokens = Tokens()
    token = tokens.mint("https://management.core.windows.net/")
    assert tokens.check(token) is Verdict.GOOD
    assert tokens.check("") is Verdict.MISSING
    assert tokens.check(token + "x") is Verdict.UNKNOWN
    assert tokens.check(tokens.mint("https://vault.azure.net")) is Verdict.AUDIENCE
    tokens.expire()
    assert tokens.check(token) is Verdict.EXPIRED
    assert Tokens(lifetime=-1).check(token) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("header", "resource", "refuses", "status"),
    [
        ("right", "https://management.azure.com/", False, 200),
        ("wrong", "https://management.azure.com/", False, 401),
        ("right", "", False, 400),
        ("right", "https://management.azure.com/", True, 400),
    ],
)
async def test_the_managed_identity_endpoint(
    header: str, resource: str, refuses: bool, status: int
) -> None:
    async with Lab([LabVm(guest=FakeGuest())]) as lab, aiohttp.ClientSession() as http:
        lab.identity.refuses = refuses
        headers = {"X-IDENTITY-HEADER": lab.env["IDENTITY_HEADER"] if header == "right" else "x"}
        async with http.get(
            lab.env["IDENTITY_ENDPOINT"],
            params={"api-version": "2019-08-01", "resource": resource},
            headers=headers,
        ) as answer:
            body = await answer.json()
        assert answer.status == status
        if status == 200:
            assert {"access_token", "expires_on", "resource", "token_type"} <= set(body)
            assert lab.cloud.tokens.check(body["access_token"]) is Verdict.GOOD
