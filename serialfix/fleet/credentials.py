"""Who logs in to each guest of a fleet: templates that are kept, and passwords that never are.

A template says where the password of a VM comes from. It is read again for every VM, at the moment
of use, on the worker that uses it; what it gives is kept nowhere.
"""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from serialfix.azure.identity import Azure
from serialfix.azure.keyvault import ALLOWED, read_secret
from serialfix.errors import ConfigError, GuestPasswordMissing, UsageError
from serialfix.fleet.standing import Target
from serialfix.secrets import Secret
from serialfix.session import Credentials
from serialfix.transport.password_command import printed_password, words_of


OPTION = "--credential"
DEFAULT = "env"
VARIABLE = "SERIALFIX_GUEST_PASSWORD"
DEADLINE = 60.0
"""Seconds for a command or a keyring: nobody is there to be asked."""

PLACEHOLDERS: Mapping[str, Callable[[Target], str]] = {
    "vm": lambda target: target.name,
    "resource_group": lambda target: target.resource_group,
    "subscription": lambda target: target.subscription_id,
    "location": lambda target: target.location,
    "id": lambda target: target.vm_id,
}
_NEAR = 0.5
"""How much of a short word has to be right for it to be meant."""
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
# More than Azure allows in names, and nothing that a shell, a path of a URL or Windows' splitting
# of command lines would take for more than a part of a word.
_VALUE = re.compile(r"[\w.()/-]+")


class _Use(NamedTuple):
    """What a password is looked up for, and with."""

    target: Target
    username: str
    environ: Mapping[str, str]
    azure: Azure | None
    deadline: float

    def missing(self, why: str, remedy: str) -> GuestPasswordMissing:
        return GuestPasswordMissing(f"no password for {self.target.name}: {why}", remedy=remedy)


class _Source(NamedTuple):
    """A kind of template: how it is written, cut into parts, and asked for a password."""

    form: str
    parts: Callable[[str], tuple[str, ...]]
    read: Callable[[_Use, tuple[str, ...]], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Template:
    """Where the password of each VM comes from; its text is what is kept, and holds no secret."""

    text: str
    scheme: str
    parts: tuple[str, ...]
    """Cut before any placeholder is filled, so that no name can become a part of its own."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `env:NAME`, `command:…`, `keyvault:…`, `keyring:…`. Raises UsageError."""
        text = text.strip()
        scheme, colon, rest = text.partition(":")
        source = _SOURCES.get(scheme)
        if source is None:  # it is not shown: it may be the password itself
            near = difflib.get_close_matches(scheme.lower(), _SOURCES, 1, _NEAR)
            raise UsageError(
                f"{OPTION} does not begin with a source that serialfix knows"
                + (f"; did you mean {near[0]}?" if near else ""),
                remedy=f"It takes {_forms()}.",
            )
        check_placeholders(rest, option=OPTION)
        try:
            parts = source.parts(rest if colon else "")
        except ValueError as error:
            raise UsageError(
                f"{OPTION} {scheme}: {error}", remedy=f"It takes {source.form}."
            ) from None
        return cls(text, scheme, parts)

    def __str__(self) -> str:
        return self.text

    async def resolve(
        self,
        target: Target,
        *,
        username: str,
        environ: Mapping[str, str],
        azure: Azure | None = None,
        deadline: float = DEADLINE,
    ) -> Secret:
        """The password of the VM, looked up now.

        Raises GuestPasswordMissing; UsageError (a package is missing, a private cloud without Key
        Vaults); AccessError, AzureRefused and AzureUnreachable of a vault.
        """
        use = _Use(target, username, environ, azure, deadline)
        parts = tuple(fill(part, target) for part in self.parts)
        for written, part in zip(self.parts, parts, strict=True):
            if part.startswith("-") and written.startswith("{"):  # to a program: an option
                raise use.missing(f"{part!r} begins with a dash", "Write something before it.")
        found = await _SOURCES[self.scheme].read(use, parts)
        password = found.removesuffix("\n").removesuffix("\r")
        if not password:
            raise use.missing(f"{self.scheme} gives an empty one", f"Set it where {self} looks.")
        if re.search(r"[\0-\x1f\x7f]", password):  # each is a key that does something
            raise use.missing(
                f"what {self.scheme} gives has a line break or another control character in it",
                "Store the password alone, on one line.",
            )
        return Secret(password, "guest_password")


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestLogin:
    """Who logs in to the guests of a fleet run; user name and domain may have placeholders too."""

    username: str
    domain: str = ""
    credential: Template

    @classmethod
    def parse(cls, *, username: str | None, domain: str | None, credential: str | None) -> Self:
        """From the options, or from what `to_json` gave. Raises UsageError."""
        if not username:
            raise ConfigError(
                "the consoles ask for an administrator of the guests, and none was named",
                remedy="Give --guest-username or SERIALFIX_GUEST_USERNAME; it may hold {vm}.",
            )
        check_placeholders(username, option="--guest-username")
        check_placeholders(domain or "", option="--guest-domain")
        template = Template.parse(credential or DEFAULT)
        return cls(username=username, domain=domain or "", credential=template)

    def to_json(self) -> dict[str, str]:
        """Plain data without a secret; `parse(**data)` is the inverse."""
        credential = str(self.credential)
        return {"username": self.username, "domain": self.domain, "credential": credential}

    async def resolve(
        self, target: Target, *, environ: Mapping[str, str], azure: Azure | None = None
    ) -> Credentials:
        """The account of one VM, with its password looked up now; see `Template.resolve`.

        `azure` is used for a Key Vault; without it one is opened for the length of the look-up.
        """
        username = fill(self.username, target)
        password = await self.credential.resolve(
            target, username=username, environ=environ, azure=azure
        )
        return Credentials(username, password, fill(self.domain, target))


def check_placeholders(text: str, *, option: str) -> None:
    """Raises UsageError for what stands in braces and is no placeholder."""
    for word in _PLACEHOLDER.findall(text):
        if word not in PLACEHOLDERS:
            near = difflib.get_close_matches(word.lower(), PLACEHOLDERS, 1, _NEAR)
            raise UsageError(
                f"{option}: {{{word}}} is no placeholder"
                + (f"; did you mean {{{near[0]}}}?" if near else ""),
                remedy=f"There are {', '.join(f'{{{name}}}' for name in PLACEHOLDERS)}.",
            )


def fill(text: str, target: Target) -> str:
    """The text with the VM's names in it. Raises GuestPasswordMissing for one that is no name."""

    def value(found: re.Match[str]) -> str:
        name = PLACEHOLDERS[found[1]](target)
        if not _VALUE.fullmatch(name):
            raise GuestPasswordMissing(
                f"{target.name!r}: {name!r} cannot be put into a template, Azure has no such names",
                remedy=f"Take a template without {found[0]}.",
            )
        return name

    return _PLACEHOLDER.sub(value, text)


def _forms() -> str:
    return ", ".join(source.form for source in _SOURCES.values())


# --- the sources ------------------------------------------------------------------------------


def _variable(rest: str) -> tuple[str, ...]:
    if not re.fullmatch(r"[^\s=\0]*", rest):
        raise ValueError("no variable has such a name")
    return (rest or VARIABLE,)


async def _from_environment(use: _Use, parts: tuple[str, ...]) -> str:
    (name,) = parts
    if not (found := use.environ.get(name)):
        raise use.missing(
            f"{name} is not set on this worker",
            f"Set it where `serialfix fleet worker` runs, or give another {OPTION}: {_forms()}.",
        )
    return found


def _command(rest: str) -> tuple[str, ...]:
    try:
        words = words_of(rest)
    except ValueError:  # its text may quote the command
        raise ValueError("the command cannot be split into words") from None
    if not words:
        raise ValueError("there is no command")
    if _PLACEHOLDER.search(words[0]):
        raise ValueError("the program itself has no placeholder: a VM's name must not choose it")
    return tuple(words)


async def _from_command(use: _Use, parts: tuple[str, ...]) -> str:
    try:
        return await printed_password(
            parts,
            option=f"the command {parts[0]}",
            timeout=use.deadline,
            environ=use.environ,
        )
    except ConfigError as error:
        raise use.missing(
            str(error), "Run it by hand, on the worker's host and as its user."
        ) from None


def _vault_and_secret(rest: str) -> tuple[str, ...]:
    parts = rest.split("/")
    if len(parts) != 2:
        raise ValueError("it needs a vault and the name of a secret")
    for part in parts:
        if not ALLOWED.fullmatch(_PLACEHOLDER.sub("x", part)):
            raise ValueError(f"{part!r} has what Key Vault allows in no name")
    return tuple(parts)


async def _from_key_vault(use: _Use, parts: tuple[str, ...]) -> str:
    vault, name = parts
    if use.azure is not None:
        return (await read_secret(use.azure, vault, name, vm=use.target.name)).reveal()
    async with Azure(environ=use.environ, run_id=use.target.run_id) as azure:
        return (await read_secret(azure, vault, name, vm=use.target.name)).reveal()


def _service_and_user(rest: str) -> tuple[str, ...]:
    service, _, user = rest.partition("/")
    if not service:
        raise ValueError("it needs the name of a service")
    return (service, user) if user else (service,)


async def _from_keyring(use: _Use, parts: tuple[str, ...]) -> str:
    try:
        import keyring
        from keyring.backends import fail, null
    except ImportError:
        raise UsageError(
            f"{OPTION} keyring:… needs the package keyring on every worker",
            remedy="Install it: `pipx inject serialfix keyring`, or `pip install "
            "'serialfix[keyring]'`.",
        ) from None
    service, user = parts if len(parts) == 2 else (parts[0], use.username)
    backend = keyring.get_keyring()
    if isinstance(backend, (fail.Keyring, null.Keyring)):
        raise use.missing(
            "this worker has no keyring",
            "`keyring diagnose` shows what there is; servers mostly have none: take keyvault:…",
        )
    try:
        async with asyncio.timeout(use.deadline):
            found = await asyncio.to_thread(backend.get_password, service, user)
    except TimeoutError:
        raise use.missing(
            f"the keyring did not answer within {use.deadline:g} s", "Unlock it, then try again."
        ) from None
    except Exception as error:  # noqa: BLE001  # every backend has errors of its own
        raise use.missing(
            f"the keyring refused {service}/{user} ({type(error).__name__})",
            "`keyring diagnose` shows which keyring it is; unlock it.",
        ) from None
    if found is None:
        raise use.missing(
            f"the keyring has no entry {service}/{user}", f"Set it: `keyring set {service} {user}`."
        )
    return str(found)


_SOURCES: Mapping[str, _Source] = {
    "env": _Source("env:NAME", _variable, _from_environment),
    "command": _Source("command:PROGRAM {vm}", _command, _from_command),
    "keyvault": _Source("keyvault:VAULT/{vm}-admin", _vault_and_secret, _from_key_vault),
    "keyring": _Source("keyring:SERVICE/USER", _service_and_user, _from_keyring),
}
