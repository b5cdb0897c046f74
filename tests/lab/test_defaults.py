from __future__ import annotations

from serialfix.lab.disk import RCM
from serialfix.lab.profiles import CHANNELS, CONTROL, SERVICES, dword
from serialfix.model import RegistryType, RegistryValue
from tests.lab.terminal import Prompt


def test_what_stands_in_the_table_is_in_the_registry() -> None:
    registry = Prompt().machine.registry
    dump_file = RegistryValue(RegistryType.EXPAND_SZ, r"%SystemRoot%\MEMORY.DMP")
    assert registry.get(rf"{CONTROL}\CrashControl", "DumpFile") == dump_file
    assert registry.get(rf"{CONTROL}\CrashControl", "CrashDumpEnabled") == dword(7)
    assert registry.get(rf"{CHANNELS}\Microsoft-Windows-CAPI2/Operational", "Enabled") == dword(0)
    assert registry.key(rf"{RCM}\GracePeriod") is not None


def test_every_service_depends_on_services_that_there_are() -> None:
    scm = Prompt().machine.scm
    for key in scm.all():
        needs = key.get("DependOnService")
        for need in needs.data if needs is not None and isinstance(needs.data, tuple) else ():
            assert scm.key(need) is not None, key.name


def test_a_line_may_go_on_in_the_next() -> None:
    image = Prompt().machine.registry.get(f"{SERVICES}\\NlaSvc", "ImagePath")
    assert image is not None
    assert image.data == r"%SystemRoot%\System32\svchost.exe -k NetworkService"
