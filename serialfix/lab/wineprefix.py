"""A real Wine for one lab guest: its disk, its registry, its boot and its end (docs/lab.md).

A template is made once per user and version of Wine (about ten seconds) and kept in the user's
cache folder; a guest gets a folder of 3 MB with links into it. Nobody's own ~/.wine is touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from serialfix.errors import ConfigError
from serialfix.lab import regfile
from serialfix.lab.profiles import SERVICES, Language
from serialfix.lab.registry import Registry


WINE = Path("/usr/lib/wine/wine64")
SERVER = Path("/usr/lib/wine/wineserver64")
_PROGRAMS = Path("/usr/lib/x86_64-linux-gnu/wine")
LOCALES: Mapping[Language, str] = MappingProxyType(
    {"en": "C", "fr": "fr_FR", "nl": "nl_NL", "de": "de_DE", "ja": "ja_JP"}
)
# Where Wine describes the machine it runs on (at times of its own), and what mirrors other keys.
_NOISE = (
    r"HKLM\HARDWARE",
    r"HKLM\SOFTWARE\Classes",
    r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Time Zones",
    r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Fonts",
    r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Fonts",
    r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\NetworkCards",
    r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Time Zones",
    r"HKLM\SOFTWARE\Wow6432Node",
    r"HKLM\SYSTEM\CurrentControlSet\Control\Class",
    r"HKLM\SYSTEM\CurrentControlSet\Control\ComputerName\ActiveComputerName",
    r"HKLM\SYSTEM\CurrentControlSet\Control\DeviceClasses",
    r"HKLM\SYSTEM\CurrentControlSet\Control\ServiceCurrent",
    r"HKLM\SYSTEM\CurrentControlSet\Control\Video",
    r"HKLM\SYSTEM\CurrentControlSet\Enum",
    r"HKLM\SYSTEM\CurrentControlSet\Hardware Profiles",
    r"HKLM\SYSTEM\MountedDevices",
    r"HKCU\Software\Wine",
)
_FILES = {"HKLM": "system.reg", "HKCU": "user.reg"}
_ENDS = 10.0  # seconds until an end that is asked for is a failure

# Wine's own netstat knows no listener of the guest. This STAND-IN tells of the one that a running
# TermService has, at the port that the registry names.
_NETSTAT = r"""@echo off
rem STAND-IN of the lab, not Windows
sc query TermService | find "RUNNING" >nul
if errorlevel 1 goto none
set port=3389
set key=HKLM\System\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp
for /f "tokens=3" %%p in ('reg query "%key%" /v PortNumber') do set /a port=%%p >nul
echo   Proto  Local Address          Foreign Address        State
echo   TCP    0.0.0.0:%port%           0.0.0.0:0              LISTENING
echo   TCP    [::]:%port%              [::]:0                 LISTENING
:none
"""
STAND_INS: Mapping[str, str] = MappingProxyType({"netstat": _NETSTAT})


def missing(language: Language = "en") -> str:
    """What this machine lacks for a Wine guest of a language, "" for nothing."""
    if not (WINE.exists() and SERVER.exists()):
        return "wine64 is not installed (Debian's package)"
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout
    if f"{LOCALES[language]}.utf8".lower() not in known.lower().split():
        return f"the locale {LOCALES[language]}.UTF-8 is not generated"
    return ""


def require(language: Language) -> None:
    """Raise ConfigError when a Wine guest cannot be had."""
    if reason := missing(language):
        raise ConfigError(
            f"a guest with program 'wine' cannot be had: {reason}",
            remedy="On Debian: apt-get install --no-install-recommends wine64 locales, and "
            f"localedef -i {LOCALES[language]} -f UTF-8 {LOCALES[language]}.UTF-8; "
            "or use the program 'builtin'.",
        )


def template() -> Path:
    """The prefix that all guests link to; made when it is not there yet."""
    import fcntl

    from platformdirs import user_cache_path

    chosen = os.environ.get("SERIALFIX_CACHE_DIR")
    cache = Path(chosen) if chosen else user_cache_path("serialfix")
    version = subprocess.run([WINE, "--version"], capture_output=True, text=True, check=True).stdout
    name = "".join(char if char.isalnum() or char in ".-" else "_" for char in version.strip())
    folder = cache / f"{name}-template-1"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "wine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=cache) as work:
                made = _make_template(Path(work) / "prefix")
                made.rename(folder)
    return folder


def _make_template(folder: Path) -> Path:
    folder.mkdir()
    env = _environment(folder, "C")
    subprocess.run([WINE, "wineboot", "--init"], env=env, capture_output=True, check=True)
    subprocess.run([SERVER, "-w"], env=env, capture_output=True, check=True)
    for path in [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]:
        for kind in ("x86_64-windows", "i386-windows"):  # 700 MB become 15
            origin = _PROGRAMS / kind / path.name
            if origin.exists() and origin.read_bytes() == path.read_bytes():
                path.unlink()
                path.symlink_to(origin)
                break
    # Nine tenths of the registry are COM classes: no command here needs them.
    system = folder / "system.reg"
    head, *sections = system.read_text("utf-8").split("\n\n[")
    kept = [part for part in sections if not part.startswith("Software\\\\Classes\\\\")]
    system.write_text("\n\n[".join((head, *kept)), "utf-8")
    version = '\n[Software\\\\Wine] 0\n"Version"="win10"\n'
    with (folder / "user.reg").open("a", encoding="utf-8") as user:
        user.write(version)
    return folder


def _environment(folder: Path, locale: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),  # the server's sockets lie with the prefix
        "TERM": "xterm",
        "LC_ALL": f"{locale}.UTF-8",
        "WINEPREFIX": str(folder),
        "WINESERVER": str(SERVER),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "winemenubuilder.exe=d;mscoree,mshtml=",
    }


class Prefix:
    """The disk of one guest. Its registry is on disk when it is off, in the server when it is on.

    Everything is removed when the object is.
    """

    def __init__(self, language: Language) -> None:
        require(language)
        self._template = template()
        # In memory where that is to be had: a disk takes seconds to remove 700 links.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None  # noqa: S108
        self.folder = Path(tempfile.mkdtemp(prefix="serialfix-wine-", dir=memory))
        self.env = _environment(self.folder, LOCALES[language])
        self.written = False
        self._holder: subprocess.Popen[bytes] | None = None
        self._finalizer = weakref.finalize(self, _remove, self.folder, self.env)
        self._link()

    def _link(self) -> None:
        """Own folders where a command may write, links for everything else."""
        folder, template = self.folder, self._template
        (folder / "dosdevices").mkdir()
        (folder / "dosdevices" / "c:").symlink_to("../drive_c")
        own = ("drive_c", "drive_c/windows", "drive_c/windows/system32", "drive_c/windows/temp")
        for name in own:
            (folder / name).mkdir()
            for entry in os.scandir(template / name):
                below = f"{name}/{entry.name}"
                if below not in own:
                    (folder / below).symlink_to(template / below)
        for name in ("system.reg", "user.reg", "userdef.reg"):
            shutil.copy(template / name, folder)
        (folder / ".update-timestamp").write_text("disable\n")
        # Without this file two first starts would race for the name of the socket folder.
        server = folder / "wineserver"
        server.write_text("wine-server")
        server.chmod(0o400)
        system32 = folder / "drive_c/windows/system32"
        for program, script in STAND_INS.items():
            for suffix in (".exe", ".com"):
                (system32 / f"{program}{suffix}").unlink(missing_ok=True)
            (system32 / f"{program}.cmd").write_text(script.replace("\n", "\r\n"), "ascii")

    # The registry.

    def write(self, registry: Registry) -> None:
        """Put values into the files; only while the guest is off."""
        registry = self._without_services(registry)
        for root, name in _FILES.items():
            with (self.folder / name).open("a", encoding="ascii") as file:
                file.write(regfile.wine_sections(registry, root))
        self.written = True

    def _without_services(self, registry: Registry) -> Registry:
        """A copy with Wine's own services in it, and nothing to start for the others."""
        own = (self.folder / "system.reg").read_text("utf-8").lower()
        copied = deepcopy(registry)
        services = copied.key(SERVICES)
        for name, key in list(services.keys.items()) if services else ():
            key.values.pop("imagepath", None)
            if f"\n[system\\\\currentcontrolset\\\\services\\\\{name}]" in own:
                copied.delete_key(f"{SERVICES}\\{name}")
        return copied

    def registry(self) -> Registry:
        """What is stored now: out of the files, or by `reg export` while the guest is on.

        The server writes its files when it ends, and every 30 seconds.
        """
        found = Registry()
        for root, name in _FILES.items():
            if self._holder is None:
                text = (self.folder / name).read_text("utf-8")
                regfile.read(text, found, root=root)
            else:
                exported = self.folder / f"{root}.export"
                self.run("reg", "export", root, f"\\\\?\\unix{exported}", "/y")
                regfile.read(exported.read_text("utf-16"), found)
        for path in _NOISE:
            found.delete_key(path)
        return found

    # Its life.

    def boot(self, *, services: Sequence[str] = ()) -> None:
        """Start Windows. A cmd.exe that waits for input keeps it up, as a boot would."""
        start = "".join(f"net start {name} >nul 2>nul & " for name in services)
        self._holder = self.popen(
            "cmd.exe",
            "/c",
            f"{start}set /p x=",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """End everything; what is in the registry is written before."""
        if self._holder is not None:
            _end_server(self.folder, self.env)
            holder, self._holder = self._holder, None
            holder.communicate(timeout=_ENDS)

    def popen(self, *command: str, **settings: object) -> subprocess.Popen[bytes]:
        """Start a Windows program, in C:\\Windows\\system32."""
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
            [*_fixed_addresses(), str(WINE), *command],
            env=self.env,
            cwd=self.folder / "drive_c/windows/system32",
            **settings,
        )

    def run(self, *command: str) -> int:
        """Run a Windows program to its end; its exit code."""
        quiet = subprocess.DEVNULL
        return self.popen(*command, stdin=quiet, stdout=quiet, stderr=quiet).wait(_ENDS)

    def remove(self) -> None:
        """End everything and remove the folder."""
        self.stop()
        self._finalizer()


@cache
def _fixed_addresses() -> tuple[str, ...]:
    """With random addresses one launch in 5,000 fails with a false 9009; a container may insist."""
    command = ("setarch", "-R")
    try:
        allowed = subprocess.run([*command, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return ()
    return command if allowed.returncode == 0 else ()


def _end_server(folder: Path, env: Mapping[str, str]) -> None:
    """Ask the server to end all and write the registry; it holds a lock until it has done so."""
    deadline = time.monotonic() + _ENDS
    asked = False
    for path in folder.glob("wine-server/server-*/lock"):
        with path.open("r+b") as lock:
            while not _free(lock):
                if not asked:
                    asked = True
                    subprocess.run([SERVER, "-k2"], env=env, capture_output=True, check=False)
                if time.monotonic() > deadline:
                    raise TimeoutError(f"wineserver of {folder} does not end")
                time.sleep(0.005)


def _free(lock: BinaryIO) -> bool:
    import fcntl

    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(folder: Path, env: Mapping[str, str]) -> None:
    _end_server(folder, env)
    shutil.rmtree(folder, ignore_errors=True)
