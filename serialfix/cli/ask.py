"""Questions to the person at the terminal, and where the guest password comes from."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from serialfix.errors import ConfigError, Interrupted, UsageError
from serialfix.secrets import Secret


def interactive(no_input: bool) -> bool:
    """Whether somebody is there to be asked."""
    return not no_input and sys.stdin.isatty() and sys.stderr.isatty()


def require_consent(
    *, yes: bool, no_input: bool, look: str = "--check to see the plan only"
) -> None:
    """Refuse a changing command that nobody can confirm, before anything is touched.

    `look` is what shows what it would do.
    """
    if not yes and not interactive(no_input):
        raise UsageError(
            "this would change a VM, and nobody is there to confirm it",
            remedy=f"Give --yes to go ahead without being asked, or {look}.",
        )


def ask_yes(question: str, *, stop: Callable[[], bool] = lambda: False) -> bool:
    """Ask on stderr; only y or yes is a yes. `stop` ends the waiting: then the answer is no."""
    return _answer(f"{question} [y/N] ", stop).strip().lower() in ("y", "yes")


def confirm(question: str) -> None:
    """Ask before anything is begun. Raises UsageError for a no, Interrupted for Ctrl-C."""
    try:
        confirmed = ask_yes(question)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        raise Interrupted("interrupted before anything was begun") from None
    if not confirmed:
        raise UsageError("it was not confirmed, and not begun")


def wait_for_enter(words: str, *, stop: Callable[[], bool] = lambda: False) -> bool:
    """Wait until Enter was pressed on an empty line; anything else, and `stop`, is a no."""
    return _answer(f"{words}, Ctrl-C to leave it. ", stop) == "\n"


def _answer(question: str, stop: Callable[[], bool]) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    while sys.platform != "win32" and not stop():  # Windows cannot wait for a console and more
        import select

        if select.select([sys.stdin], [], [], 0.1)[0]:
            break
    return "" if stop() else sys.stdin.readline()


def _from_command(command: str) -> str:
    """The first line that the command prints; its errors go to our stderr."""
    import asyncio

    from serialfix.transport.password_command import printed_password, words_of

    option = "--credential-command"
    try:
        words = words_of(command)
    except ValueError:  # its text may quote the command
        raise ConfigError(f"{option} could not be run: it cannot be split into words") from None
    return asyncio.run(printed_password(words, option=option, timeout=120, attended=True))


def guest_account(
    username: str | None,
    domain: str | None,
    command: str | None,
    *,
    environ: Mapping[str, str],
    no_input: bool,
) -> tuple[str, Secret, str]:
    """Who logs in on the guest's console: (username, password, domain).

    Raises ConfigError, naming every way to give it, when something is missing.
    """
    username = username or environ.get("SERIALFIX_GUEST_USERNAME")
    domain = domain or environ.get("SERIALFIX_GUEST_DOMAIN") or ""
    if not username:
        if not interactive(no_input):
            raise ConfigError(
                "the console asks for an administrator of the guest, and none was named",
                remedy="Give --guest-username or SERIALFIX_GUEST_USERNAME.",
            )
        sys.stderr.write("Administrator in the guest: ")
        sys.stderr.flush()
        username = sys.stdin.readline().strip()
    if command:
        password = _from_command(command)
    elif not (password := environ.get("SERIALFIX_GUEST_PASSWORD", "")):
        if not interactive(no_input):
            raise ConfigError(
                f"the password of {username} in the guest is missing",
                remedy="Set SERIALFIX_GUEST_PASSWORD, or give --credential-command with a command"
                " that prints it, e.g. `az keyvault secret show --vault-name V --name N"
                " --query value -o tsv`.",
            )
        from getpass import getpass

        password = getpass(f"Password of {username} in the guest: ", stream=sys.stderr)
    if not username or not password:
        raise ConfigError("an empty user name or password cannot log in")
    return username, Secret(password, "guest_password"), domain
