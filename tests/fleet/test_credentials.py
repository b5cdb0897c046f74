"""The password of each VM, out of a template that holds none."""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from itertools import product

import keyring
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import KeyringLocked

from serialfix.azure.identity import Azure
from serialfix.errors import (
    AccessError,
    ConfigError,
    GuestPasswordMissing,
    SerialfixError,
    Touched,
    UsageError,
)
from serialfix.fleet.credentials import GuestLogin, Template, fill
from serialfix.fleet.standing import Target
from serialfix.lab.guest import PASSWORD
from serialfix.lab.server import Lab
from serialfix.lab.switches import VAULT_FORBIDDEN, VaultFaults
from serialfix.lab.vm import SUBSCRIPTION, LabVm
from serialfix.model import Outcome, VmRef
from serialfix.remediation.outcomes import outcome
from serialfix.session import Credentials
from serialfix.transport.password_command import words_of
from tests.azure.arm_double import QUICK
from tests.lab.doubles import FakeGuest


ARGV = shlex.join([sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))"])


def target(name: str = "web-1", *, group: str = "rg1", location: str = "westeurope") -> Target:
    return Target(
        number=1,
        vm_id=VmRef(SUBSCRIPTION, group, name).id,
        name=name,
        resource_group=group,
        subscription_id=SUBSCRIPTION,
        location=location,
        wave=1,
    )


async def look_up(
    template: str,
    vm: Target | None = None,
    *,
    azure: Azure | None = None,
    environ: Mapping[str, str] | None = None,
    deadline: float = 20,
) -> str:
    secret = await Template.parse(template).resolve(
        vm or target(), username="admin", environ=environ or {}, azure=azure, deadline=deadline
    )
    assert secret.name == "guest_password"
    return secret.reveal()


async def missing(
    template: str, vm: Target | None = None, *, environ: Mapping[str, str] | None = None
) -> GuestPasswordMissing:
    with pytest.raises(GuestPasswordMissing) as caught:
        await look_up(template, vm, environ=environ)
    assert (vm or target()).name in str(caught.value)
    assert caught.value.remedy
    return caught.value


# --- reading templates ------------------------------------------------------------------------

GOOD = [
    "env",
    "env:WEB_PASSWORD",
    "command:pass show azure/{vm}",
    "command:az keyvault secret show --id {id} -g '{resource_group}' --query {a:value} -o tsv",
    "keyvault:corp/{vm}-admin",
    "keyvault:kv-{location}/admin",
    "keyring:serialfix",
    "keyring:serialfix-{subscription}/{vm}\\admin",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_is_kept_is_the_text_and_it_is_read_again(text: str) -> None:
    template = Template.parse(f" {text} ")
    assert str(template) == text
    assert Template.parse(str(template)) == template


@pytest.mark.parametrize(
    ("text", "words", "remedy"),
    [
        (
            "",
            "does not begin with a source",
            "env:NAME, command:PROGRAM {vm}, keyvault:VAULT",
        ),
        ("keyvalt:a/b", "did you mean keyvault?", "keyring:SERVICE/USER"),
        ("Env", "did you mean env?", "env:NAME"),
        ("env:A B", "no variable", "env:NAME"),
        ("command", "there is no command", "command:PROGRAM"),
        ("command:  ", "there is no command", "command:PROGRAM"),
        ("command:pw 'open", "cannot be split", "command:PROGRAM"),
        ("command:{vm} x", "must not choose", "command:PROGRAM"),
        ("command:'/opt/{vm}' x", "must not choose", "command:PROGRAM"),
        ("keyvault:corp", "a vault and the name", "keyvault:VAULT/{vm}-admin"),
        ("keyvault:corp/a/b", "a vault and the name", "keyvault:VAULT/{vm}-admin"),
        ("keyvault:corp/{vm}_admin", "allows in no name", "keyvault:VAULT/{vm}-admin"),
        ("keyvault:https:", "a vault and the name", "keyvault:VAULT/{vm}-admin"),
        ("keyvault:corp.vault.azure.net/{vm}", "allows in no name", "keyvault:VAULT"),
        ("keyvault:/x", "allows in no name", "keyvault:VAULT"),
        ("keyring:", "the name of a service", "keyring:SERVICE/USER"),
        ("keyring:/x", "the name of a service", "keyring:SERVICE/USER"),
        ("keyvault:corp/{vn}", "{vn} is no placeholder; did you mean {vm}?", "{vm}, {resource_g"),
        ("command:pw {VM}", "{VM} is no placeholder; did you mean {vm}?", "{location}"),
        ("keyring:s/{group}", "did you mean {resource_group}?", "{id}"),
        ("env:{zzzzz}", "{zzzzz} is no placeholder", "{subscription}"),
    ],
)
def test_what_cannot_be_read_names_what_can(text: str, words: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        Template.parse(text)
    assert words in str(caught.value)
    assert remedy in caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["S3cret", "S3cret:x", "env S3cret", "command:pw 'S3cret"])
def test_a_password_in_the_wrong_place_is_not_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Template.parse(text)
    assert "S3cret" not in f"{caught.value}{caught.value.remedy}{caught.value.__cause__}"


# --- placeholders -----------------------------------------------------------------------------

names = st.text(max_size=12) | st.text(st.sampled_from("ab-. '\"\\;|&$`%^<>(){}\n\0/é"), max_size=9)
targets = st.builds(lambda name, group: target(name, group=group), names, names)
COMMAND = "pw --vm {vm} 'a {resource_group} b' \"{vm}{location}\" x{id}y"


@given(targets)
def test_a_name_never_becomes_a_word_of_its_own(vm: Target) -> None:
    """Even if it were filled in before the command is split, by a shell's rules or Windows'."""
    for windows in (False, True):
        words = words_of(COMMAND, windows=windows)
        try:
            filled = [fill(word, vm) for word in words]
        except GuestPasswordMissing:
            continue
        assert words_of(fill(COMMAND, vm), windows=windows) == filled
        assert len(filled) == len(words)


async def test_what_is_no_name_is_put_into_nothing() -> None:
    groups = ["a b", "a;b", "a'b", 'a"b', "$(a)", "a|b", "a\nb", "a\\b", "%A%"]
    for vm, template in product(
        (target(group=group) for group in groups),
        (f"command:{ARGV} {{resource_group}}", "env:X{resource_group}"),
    ):
        error = await missing(template, vm)
        assert "Azure has no such names" in str(error)


async def test_a_command_gets_the_names_in_its_words() -> None:
    vm = target("web-1.x_y", group="rg(1)é")
    template = (
        f"command:{ARGV} {{vm}} -g={{resource_group}} 'a {{location}} b' {{subscription}}{{id}}"
    )
    assert json.loads(await look_up(template, vm)) == [
        "web-1.x_y",
        "-g=rg(1)é",
        "a westeurope b",
        SUBSCRIPTION + vm.vm_id,
    ]


async def test_a_name_never_becomes_an_option() -> None:
    error = await missing(f"command:{ARGV} {{resource_group}}", target(group="-rf"))
    assert "'-rf' begins with a dash" in str(error)
    assert json.loads(await look_up(f"command:{ARGV} -{{vm}}")) == ["-web-1"]


# --- the sources ------------------------------------------------------------------------------


async def test_the_environment_is_the_worker_s() -> None:
    assert await look_up("env", environ={"SERIALFIX_GUEST_PASSWORD": "pw"}) == "pw"
    assert await look_up("env:", environ={"SERIALFIX_GUEST_PASSWORD": "pw"}) == "pw"
    assert await look_up("env:PW_{location}", environ={"PW_westeurope": "pw"}) == "pw"
    for environ in ({}, {"PW": ""}):
        error = await missing("env:PW", environ={"SERIALFIX_GUEST_PASSWORD": "pw", **environ})
        assert "PW is not set on this worker" in str(error)


@pytest.mark.parametrize(("value", "why"), [("\n", "an empty one"), ("a\nb", "a line break")])
async def test_what_is_no_password(value: str, why: str) -> None:
    error = await missing("env:PW", environ={"PW": value})
    assert why in str(error)


async def test_one_line_end_is_no_part_of_a_password() -> None:
    assert await look_up("env:PW", environ={"PW": " p w \r\n"}) == " p w "


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (
            "echo s3cret; echo no entry s3cret >&2; exit 2",
            "ended with 2: no entry <redacted:guest_",
        ),
        ("true", "printed nothing"),
    ],
)
async def test_a_command_that_fails(script: str, why: str) -> None:
    error = await missing(f"command:sh -c {shlex.quote(script)} {{vm}}", environ=os.environ)
    assert f"no password for web-1: the command sh {why}" in str(error)
    assert "s3cret" not in str(error)


async def test_a_command_has_a_deadline() -> None:
    with pytest.raises(GuestPasswordMissing, match=r"web-1: the command sleep did not end within"):
        await look_up("command:sleep 600", deadline=0.05)


class Held(KeyringBackend):
    """A keyring in memory."""

    priority = 1.0

    def __init__(self, entries: dict[tuple[str, str], str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries = entries
        self.locked = False
        self.answers = threading.Event()
        self.answers.set()

    def get_password(self, service: str, username: str) -> str | None:
        self.answers.wait(20)
        if self.locked:
            raise KeyringLocked("s3cret")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


@pytest.fixture
def ring() -> Iterator[Held]:
    """The keyring of this process."""
    before = keyring.get_keyring()
    ring = Held({("svc", "admin"): "shared", ("svc", "web-1\\bob"): "one", ("rg1/x", "a"): "no"})
    keyring.set_keyring(ring)
    yield ring
    ring.answers.set()
    keyring.set_keyring(before)


async def test_a_keyring(ring: Held) -> None:
    assert await look_up("keyring:svc") == "shared"  # of the user who logs in
    assert await look_up("keyring:svc/{vm}\\bob") == "one"
    error = await missing("keyring:svc/{vm}")
    assert "no entry svc/web-1" in str(error)
    assert "`keyring set svc web-1`" in error.remedy
    ring.locked = True
    error = await missing("keyring:svc")
    assert "refused svc/admin (KeyringLocked)" in str(error)
    assert "s3cret" not in str(error)


async def test_a_keyring_that_waits_for_somebody(ring: Held) -> None:
    ring.answers.clear()
    with pytest.raises(GuestPasswordMissing, match=r"did not answer within 0\.01 s"):
        await look_up("keyring:svc", deadline=0.01)
    ring.answers.set()


@pytest.mark.parametrize("backend", [fail.Keyring, null.Keyring])
async def test_no_keyring(ring: Held, backend: type[KeyringBackend]) -> None:
    keyring.set_keyring(backend())
    error = await missing("keyring:svc")
    assert "this worker has no keyring" in str(error)
    assert "keyvault:" in error.remedy


async def test_the_package_of_keyrings_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(UsageError, match="needs the package keyring") as caught:
        await look_up("keyring:svc")
    assert "serialfix[keyring]" in caught.value.remedy


@pytest.fixture
async def lab(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Lab]:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
    async with Lab([LabVm(guest=FakeGuest(), name=name) for name in ("web-1", "web-2")]) as lab:
        for name, value in lab.env.items():
            monkeypatch.setenv(name, value)
        yield lab


async def test_a_key_vault(lab: Lab) -> None:
    lab.vaults.secrets["kv-westeurope"] = {"web-1": "one", "web-2": "two\n"}
    template = "keyvault:kv-{location}/{vm}"
    assert await look_up(template, environ=lab.env) == "one"
    assert await look_up(template, target("WEB-2"), environ=lab.env) == "two"
    async with Azure(environ=lab.env, patience=QUICK) as azure:
        assert await look_up("keyvault:lab/{vm}-admin", azure=azure) == PASSWORD
        lab.vaults.secrets["lab"]["web-1-admin"] = "changed"  # it is looked up anew each time
        assert await look_up("keyvault:lab/{vm}-admin", azure=azure) == "changed"


async def test_a_key_vault_that_gives_nothing(lab: Lab) -> None:
    error = await missing("keyvault:lab/{vm}-admin", target("web-3"), environ=lab.env)
    assert "404 SecretNotFound" in str(error)
    error = await missing("keyvault:lab/{vm}-admin", target("set_3"), environ=lab.env)
    assert "set_3: no secret can be called 'set_3-admin'" in str(error)
    error = await missing("keyvault:{resource_group}/x", target(group="r.g"), environ=lab.env)
    assert "no vault can be called 'r.g'" in str(error)


# --- who logs in ------------------------------------------------------------------------------


async def test_the_whole_account(lab: Lab) -> None:
    login = GuestLogin.parse(
        username="adm-{vm}", domain="{location}.corp", credential="keyvault:lab/{vm}-admin"
    )
    kept = json.loads(json.dumps(login.to_json()))
    assert kept == {
        "username": "adm-{vm}",
        "domain": "{location}.corp",
        "credential": "keyvault:lab/{vm}-admin",
    }
    assert GuestLogin.parse(**kept) == login
    found = await login.resolve(target(), environ=lab.env)
    assert (found.username, found.domain) == ("adm-web-1", "westeurope.corp")
    assert found.password.reveal() == PASSWORD
    assert isinstance(found, Credentials)
    assert PASSWORD not in f"{found} {login}"


async def test_what_is_not_given() -> None:
    login = GuestLogin.parse(username="admin", domain=None, credential=None)
    environ = {"SERIALFIX_GUEST_PASSWORD": "pw"}
    found = await login.resolve(target(), environ=environ)
    assert (found.username, found.password.reveal(), found.domain) == ("admin", "pw", "")
    for nobody in (None, ""):
        with pytest.raises(ConfigError, match="none was named") as caught:
            GuestLogin.parse(username=nobody, domain="d", credential="env")
        assert "--guest-username" in caught.value.remedy


@pytest.mark.parametrize("option", ["username", "domain", "credential"])
def test_each_option_says_its_unknown_placeholders(option: str) -> None:
    given = {"username": "u", "domain": "d", "credential": "env"} | {option: "env:{vmm}"}
    with pytest.raises(UsageError, match=r"--\S+: \{vmm\} is no placeholder; did you mean \{vm\}"):
        GuestLogin.parse(**given)


async def test_the_outcome_of_a_vm_without_a_password(lab: Lab) -> None:
    """One VM's secret that is missing is refused; no right to any is an error that counts."""

    async def end(template: str) -> tuple[Outcome, int]:
        with pytest.raises(SerialfixError) as caught:
            await look_up(template, environ=lab.env)
        assert caught.value.touched is Touched.NO
        ended = outcome(caught.value, Touched.NO, restart=None, plan=None)
        return ended, caught.value.exit_code

    assert await end("env:NOT_THERE") == (Outcome.REFUSED, 4)
    assert await end("keyvault:lab/nothing") == (Outcome.REFUSED, 4)
    assert await end("command:false") == (Outcome.REFUSED, 4)
    lab.vaults.faults = VaultFaults(deny={"lab": VAULT_FORBIDDEN})
    assert await end("keyvault:lab/{vm}-admin") == (Outcome.FAILED, AccessError.exit_code)
    lab.identity.refuses = True
    assert await end("keyvault:lab/{vm}-admin") == (Outcome.FAILED, AccessError.exit_code)


def test_a_scale_set_s_instance_is_called_as_resource_graph_has_it() -> None:
    instance = replace(target("set_3"), vm_id=VmRef(SUBSCRIPTION, "rg1", "set", "3").id)
    assert fill("{vm} {id}", instance) == f"set_3 {instance.vm_id}"
