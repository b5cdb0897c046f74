from __future__ import annotations

import shlex

import pytest

from serialfix.errors import ConfigError
from serialfix.transport.commands import console_command, environment, split_command


@pytest.mark.parametrize(
    "command",
    [
        "ssh -e none -o BatchMode=yes -i k i-1.port0@serial-console.ec2-instance-connect.eu.aws",
        "ssh -te none host",
        "ssh -o EscapeChar=none -p 9600 p.z.v.u@ssh-serialport.googleapis.com",
        "/usr/bin/ssh -oEscapeChar=none host virsh console vm",
        "virsh -c qemu+ssh://host/system console vm",
        "az serial-console connect -g rg -n vm",
        "telnet host 4555",
        "sshpass -e ssh -e none host",
        "sshpass -f file ssh -e none -o PasswordAuthentication=yes host",
        "ipmitool -H h -U u -E sol activate",
        "curl --password-file f https://host:443/x",
        "nc -U '/a b/c'",
    ],
)
def test_commands_as_people_have_them(command: str) -> None:
    assert console_command(command) == tuple(shlex.split(command))


@pytest.mark.parametrize(
    "command",
    [
        "sshpass -p S3CRET ssh -e none host",
        "sshpass -v -pS3CRET ssh -e none host",
        "sh -c 'sshpass -p S3CRET ssh -e none host'",
        "ipmitool -H h -U u -P S3CRET sol activate",
        "plink -pw S3CRET host",
        "tool --password S3CRET",
        "tool --password=S3CRET",
        "tool --Token S3CRET",
        "env IPMI_PASSWORD=S3CRET ipmitool -E sol activate",
        "SSHPASS=S3CRET sshpass -e ssh -e none host",
        "telnet://root:S3CRET@host",
    ],
)
def test_a_password_on_a_command_line_is_refused_and_not_repeated(command: str) -> None:
    with pytest.raises(ConfigError, match="has a password") as caught:
        split_command(command, "--restart-command")
    assert "S3CRET" not in f"{caught.value}{caught.value.remedy}"
    assert "--restart-command" in str(caught.value)
    assert caught.value.remedy.startswith("Use ")


@pytest.mark.parametrize("command", ["ssh host", "/usr/bin/ssh -t host", "sh -c 'ssh host'"])
def test_ssh_must_not_listen_to_what_is_typed(command: str) -> None:
    with pytest.raises(ConfigError, match="escape character") as caught:
        console_command(command)
    assert "-e none" in caught.value.remedy
    assert split_command(command, "--restart-command")  # nothing is typed into that one


@pytest.mark.parametrize("command", ["", "  ", "sh -c 'open", "a\0b"])
def test_what_is_no_command(command: str) -> None:
    with pytest.raises(ConfigError, match="--console"):
        console_command(command)


def test_the_guests_password_is_not_for_commands() -> None:
    given = {"PATH": "/bin", "SERIALFIX_GUEST_PASSWORD": "x", "SERIALFIX_GUEST_USERNAME": "u"}
    assert environment(given) == {"TERM": "vt100", "PATH": "/bin", "SERIALFIX_GUEST_USERNAME": "u"}
    assert environment({"TERM": "xterm"}) == {"TERM": "xterm"}
