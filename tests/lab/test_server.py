from __future__ import annotations

import asyncio
import os
import ssl
import urllib.request
from pathlib import Path

import aiohttp
import pytest

from serialfix.lab.guest import PASSWORD
from serialfix.lab.server import Lab, LabThread, serve
from serialfix.lab.vm import SUBSCRIPTION, LabVm
from tests.lab.doubles import FakeGuest


def one_vm(power: str = "running") -> Lab:
    return Lab([LabVm(guest=FakeGuest(), power=power)])  # type: ignore[arg-type]


async def test_the_environment_is_all_a_client_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "corp.example,localhost")
    async with one_vm() as lab:
        assert set(lab.env) == {
            "SERIALFIX_ARM_ENDPOINT",
            "SERIALFIX_GUEST_USERNAME",
            "SERIALFIX_GUEST_PASSWORD",
            "AZURE_SUBSCRIPTION_ID",
            "AZURE_TOKEN_CREDENTIALS",
            "IDENTITY_ENDPOINT",
            "IDENTITY_HEADER",
            "SSL_CERT_FILE",
            "NO_PROXY",
            "no_proxy",
        }
        assert lab.env["SERIALFIX_ARM_ENDPOINT"].startswith("https://localhost:")
        assert lab.env["AZURE_SUBSCRIPTION_ID"] == SUBSCRIPTION
        assert lab.env["NO_PROXY"] == "corp.example,localhost,127.0.0.1"
        assert os.access(lab.env["SSL_CERT_FILE"], os.R_OK)


async def test_only_running_vms_are_powered_on_and_stop_leaves_nothing() -> None:
    running, stopped = FakeGuest(), FakeGuest()
    lab = Lab([LabVm(guest=running), LabVm(guest=stopped, name="myvm2", power="stopped")])
    async with lab:
        assert (running.calls, stopped.calls) == (["power_on"], [])
        assert lab.vm("MYVM2").guest is stopped
        with pytest.raises(LookupError, match="no VM 'x'"):
            lab.vm("x")
        folder = Path(lab.env["SSL_CERT_FILE"]).parent
    assert running.calls == ["power_on", "power_off"]
    assert not folder.exists()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.get(lab.truth_url)


def test_a_lab_in_a_thread() -> None:
    with LabThread(one_vm) as thread:
        request = urllib.request.Request(
            thread.env["SERIALFIX_ARM_ENDPOINT"] + "/subscriptions?api-version=2022-12-01",
            headers={"Authorization": f"Bearer {thread.call(lambda lab: lab.cloud.tokens.mint())}"},
        )
        context = ssl.create_default_context(cafile=thread.env["SSL_CERT_FILE"])
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(request) as answer:
            assert SUBSCRIPTION.encode() in answer.read()
        thread.call(lambda lab: lab.vm("myvm").guest.restart())
        assert thread.call(lambda lab: lab.vm("myvm").truth())["restarts"] == 1
    thread.stop()  # a second time does nothing


def test_a_lab_that_cannot_start_says_so_where_it_was_started() -> None:
    def make() -> Lab:
        raise RuntimeError("no lab today")

    with pytest.raises(RuntimeError, match="no lab today"):
        LabThread(make).start()


async def test_serve_prints_what_a_shell_can_evaluate() -> None:
    lines: list[str] = []
    task = asyncio.create_task(serve(one_vm(), echo=lines.append))
    async with asyncio.timeout(5):
        while not any(line.startswith("#") for line in lines):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    shell = await asyncio.create_subprocess_exec(
        "sh", "-c", "\n".join([*lines, 'echo "$AZURE_SUBSCRIPTION_ID $SERIALFIX_GUEST_PASSWORD"']),
        stdout=asyncio.subprocess.PIPE, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    out, _ = await shell.communicate()
    assert out.decode().split() == [SUBSCRIPTION, PASSWORD]
