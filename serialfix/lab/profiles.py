"""What a Windows of some version is, as data: its names, its renderer, its registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from serialfix.lab.registry import Registry
from serialfix.model import RegistryType, RegistryValue


Renderer = Literal["scraper", "conpty"]
Language = Literal["en", "fr", "nl", "de", "ja"]
Program = Literal["builtin", "wine"]

LST = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server\WinStations\RDP-Tcp"
TS = r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server"
POL = r"HKLM\SOFTWARE\Policies\Microsoft\Windows NT\Terminal Services"
SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
_SHORT = {"LST": LST, "TS": TS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One Windows version as its serial port shows it (sac.md §2.1, §5, §6.2)."""

    name: str
    product: str
    build: int
    revision: int
    year: str
    """In the copyright line; newer ones have none."""
    renderer: Renderer
    folder: str = r"C:\Windows\system32"
    """Where cmd.exe starts: the spelling differs between versions."""
    query_shows_typed_name: bool = False
    """`reg query /v` prints the name as typed, else as stored: unknown (§9), so both occur."""

    @property
    def version(self) -> str:
        """As `ver` prints it."""
        return f"10.0.{self.build}.{self.revision}"


PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(
                name="ws2016",
                product="Windows Server 2016 Datacenter",
                build=14393,
                revision=6614,
                year="2016 ",
                renderer="scraper",
                query_shows_typed_name=True,
            ),
            Profile(
                name="ws2019",
                product="Windows Server 2019 Datacenter",
                build=17763,
                revision=5329,
                year="2018 ",
                renderer="scraper",
            ),
            Profile(
                name="ws2022",
                product="Windows Server 2022 Datacenter Azure Edition",
                build=20348,
                revision=2227,
                year="",
                renderer="conpty",
            ),
            Profile(
                name="ws2025",
                product="Windows Server 2025 Datacenter",
                build=26100,
                revision=1742,
                year="",
                renderer="conpty",
                folder=r"C:\Windows\System32",
                query_shows_typed_name=True,
            ),
        )
    }
)

# Listener: catalogue §6, column D; the rest as an export of such a key names it.
_VALUES = """
[LST]
|REG_SZ|
AudioEnumeratorDll|REG_SZ|rdpendp.dll
Callback|DWORD|0
CallbackNumber|REG_SZ|
CdClass|DWORD|0
CdDLL|REG_SZ|
CdFlag|DWORD|0
CdName|REG_SZ|
CfgDll|REG_SZ|RDPCFGEX.DLL
ColorDepth|DWORD|5
Comment|REG_SZ|
Domain|REG_SZ|
DrawGdiplusSupportLevel|DWORD|1
fAllowSecProtocolNegotiation|DWORD|1
fAutoClientDrives|DWORD|1
fAutoClientLpts|DWORD|1
fDisableAudioCapture|DWORD|0
fDisableCam|DWORD|0
fDisableCcm|DWORD|0
fDisableCdm|DWORD|0
fDisableClip|DWORD|0
fDisableCpm|DWORD|0
fDisableEncryption|DWORD|1
fDisableExe|DWORD|0
fDisableLPT|DWORD|0
fEnableWinStation|DWORD|1
fForceClientLptDef|DWORD|1
fHomeDirectoryMapRoot|DWORD|0
fInheritAutoClient|DWORD|1
fInheritAutoLogon|DWORD|1
fInheritCallback|DWORD|0
fInheritCallbackNumber|DWORD|1
fInheritColorDepth|DWORD|0
fInheritInitialProgram|DWORD|1
fInheritMaxDisconnectionTime|DWORD|1
fInheritMaxIdleTime|DWORD|1
fInheritMaxSessionTime|DWORD|1
fInheritReconnectSame|DWORD|1
fInheritResetBroken|DWORD|1
fInheritShadow|DWORD|1
fLogonDisabled|DWORD|0
fPromptForPassword|DWORD|0
fReconnectSame|DWORD|0
fResetBroken|DWORD|0
fUseDefaultGina|DWORD|0
InitialProgram|REG_SZ|
InputBufferLength|DWORD|2048
InteractiveDelay|DWORD|50
KeepAliveTimeout|DWORD|0
KeyboardLayout|DWORD|0
LanAdapter|DWORD|0
LoadableProtocol_Object|REG_SZ|{5828227c-20cf-4408-b73f-73ab70b8849f}
MaxConnectionTime|DWORD|0
MaxDisconnectionTime|DWORD|0
MaxIdleTime|DWORD|0
MaxInstanceCount|DWORD|4294967295
MinEncryptionLevel|DWORD|2
NWLogonServer|REG_SZ|
OutBufCount|DWORD|6
OutBufDelay|DWORD|100
OutBufLength|DWORD|530
Password|REG_SZ|
PdClass|DWORD|2
PdClass1|DWORD|11
PdDLL|REG_SZ|tdtcp
PdDLL1|REG_SZ|tssecsrv
PdFlag|DWORD|78
PdFlag1|DWORD|0
PdName|REG_SZ|tcp
PdName1|REG_SZ|tssecsrv
PortNumber|DWORD|3389
SecurityLayer|DWORD|2
SelectNetworkDetect|DWORD|1
SelectTransport|DWORD|2
Shadow|DWORD|1
TraceClass|DWORD|0
TraceDebugger|DWORD|0
TraceEnable|DWORD|0
UserAuthentication|DWORD|1
Username|REG_SZ|
WdDLL|REG_SZ|rdpwd
WdFlag|DWORD|54
WdName|REG_SZ|Microsoft RDP 8.0
WdPrefix|REG_SZ|RDP
WFProfilePath|REG_SZ|
WorkDirectory|REG_SZ|
WsxDLL|REG_SZ|rdpwsx
[LST\\TSMMRemotingAllowedApps]
ehshell.exe|DWORD|0
wmplayer.exe|DWORD|0
[LST\\UserOverride\\Control Panel\\Desktop]
Wallpaper|REG_SZ|
[TS]
AllowRemoteRPC|DWORD|1
DelayConMgrTimeout|DWORD|0
DeleteTempDirsOnExit|DWORD|1
fDenyTSConnections|DWORD|0
fSingleSessionPerUser|DWORD|1
NotificationTimeOut|DWORD|0
PerSessionTempDir|DWORD|1
ProductVersion|REG_SZ|5.1
RCDependentServices|REG_MULTI_SZ|CertPropSvc,SessionEnv
SessionDirectoryActive|DWORD|0
StartRCM|DWORD|0
TSEnabled|DWORD|1
TSUserEnabled|DWORD|0
[TS\\WinStations]
SelfSignedCertStore|REG_SZ|Remote Desktop
SelfSignedCertificate|REG_BINARY|6d2ab87bc2a41c6ed4c6ff2b9d6b0a8f3e0a57c1
[TS\\WinStations\\Console]
fEnableWinStation|DWORD|1
[HKLM\\SYSTEM\\CurrentControlSet\\Control\\Lsa]
disabledomaincreds|DWORD|0
LimitBlankPasswordUse|DWORD|1
Notification Packages|REG_MULTI_SZ|rassfm,scecli
[HKLM\\SYSTEM\\CurrentControlSet\\Control\\Lsa\\FIPSAlgorithmPolicy]
Enabled|DWORD|0
[HKLM\\SYSTEM\\ControlSet002\\Control\\Terminal Server\\WinStations\\RDP-Tcp]
SecurityLayer|DWORD|2
[HKLM\\SYSTEM\\Setup]
SystemSetupInProgress|DWORD|0
[HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion]
SystemRoot|REG_SZ|C:\\Windows
DigitalProductId|REG_BINARY|a40000000300000030303435352d34
InstallTime|REG_QWORD|133500000000000000
PathName|REG_EXPAND_SZ|%SystemRoot%
[HKLM\\SOFTWARE\\Policies\\Microsoft\\SystemCertificates]
[HKCU\\Console]
ScreenBufferSize|DWORD|1572944
"""

# name | display name | Start | Type | account | depends on (catalogue §3.6)
_SERVICES = r"""
RpcSs|Remote Procedure Call (RPC)|2|32|NT AUTHORITY\NetworkService|
NSI|Network Store Interface Service|2|32|NT Authority\LocalService|
Dhcp|DHCP Client|2|32|NT Authority\LocalService|NSI
Dnscache|DNS Client|2|32|NT AUTHORITY\NetworkService|NSI
Netlogon|Netlogon|3|32|LocalSystem|
BFE|Base Filtering Engine|2|32|NT AUTHORITY\LocalService|RpcSs
MpsSvc|Windows Defender Firewall|2|32|NT Authority\LocalService|BFE
TermService|Remote Desktop Services|3|32|NT Authority\NetworkService|RpcSs
UmRdpService|Remote Desktop Services UserMode Port Redirector|3|32|localSystem|TermService
SessionEnv|Remote Desktop Configuration|3|32|localSystem|RpcSs
sacsvr|Special Administration Console Helper|3|32|LocalSystem|
RdAgent|RdAgent|2|16|LocalSystem|
WindowsAzureGuestAgent|Windows Azure Guest Agent|2|16|LocalSystem|
W32Time|Windows Time|2|32|NT AUTHORITY\LocalService|
RemoteRegistry|Remote Registry|2|32|NT AUTHORITY\LocalService|RpcSs
"""

TRIGGERED = frozenset({"termservice", "umrdpservice", "sessionenv", "sacsvr"})
"""Services that are started on demand and therefore run after every boot."""


def _value(kind: str, text: str) -> RegistryValue:
    match kind:
        case "DWORD":
            return dword(int(text))
        case "REG_QWORD":
            return RegistryValue(RegistryType.QWORD, int(text))
        case "REG_BINARY":
            return RegistryValue(RegistryType.BINARY, bytes.fromhex(text))
        case "REG_MULTI_SZ":
            return RegistryValue(RegistryType.MULTI_SZ, tuple(text.split(",")))
        case _:
            return RegistryValue(RegistryType(kind), text)


def dword(number: int) -> RegistryValue:
    """A REG_DWORD."""
    return RegistryValue(RegistryType.DWORD, number)


def default_registry(profile: Profile, computer: str) -> Registry:
    """The registry of a healthy server: no Terminal Services policy, the listener's defaults."""
    registry = Registry()
    registry.set(r"HKLM\SYSTEM\Select", "Current", dword(1))
    registry.set(r"HKLM\SYSTEM\Select", "Default", dword(1))
    path = ""
    for line in _VALUES.strip().splitlines():
        if line.startswith("["):
            root, _, rest = line[1:-1].partition("\\")
            path = "\\".join(part for part in (_SHORT.get(root, root), rest) if part)
            registry.key(path, create=True)
        else:
            name, kind, data = line.split("|")
            registry.set(path, name, _value(kind, data))
    text = RegistryType.SZ
    version = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
    registry.set(version, "ProductName", RegistryValue(text, profile.product))
    registry.set(version, "CurrentBuild", RegistryValue(text, str(profile.build)))
    name = r"HKLM\SYSTEM\CurrentControlSet\Control\ComputerName\ComputerName"
    registry.set(name, "ComputerName", RegistryValue(text, computer))
    for line in _SERVICES.strip().splitlines():
        service, display, start, kind, account, needs = line.split("|")
        key = f"{SERVICES}\\{service}"
        registry.set(key, "DisplayName", RegistryValue(text, display))
        registry.set(key, "ErrorControl", dword(1))
        image = r"%SystemRoot%\System32\svchost.exe -k netsvcs"
        registry.set(key, "ImagePath", RegistryValue(RegistryType.EXPAND_SZ, image))
        registry.set(key, "ObjectName", RegistryValue(text, account))
        registry.set(key, "Start", dword(int(start)))
        registry.set(key, "Type", dword(int(kind)))
        if needs:
            registry.set(key, "DependOnService", RegistryValue(RegistryType.MULTI_SZ, (needs,)))
    registry.set(f"{SERVICES}\\sacdrv", "Start", dword(0))
    return registry


def misconfigured_listener(registry: Registry) -> None:
    """Make the listener as broken as the article's custom image: some values wrong, some absent."""
    for name, number in {
        "KeepAliveTimeout": 0,
        "MinEncryptionLevel": 4,
        "SecurityLayer": 2,
        "fInheritReconnectSame": 1,
        "fReconnectSame": 0,
        "fInheritMaxSessionTime": 0,
        "fInheritMaxDisconnectionTime": 0,
        "MaxDisconnectionTime": 60_000,
        "MaxConnectionTime": 300_000,
        "MaxIdleTime": 120_000,
        "MaxInstanceCount": 2,
    }.items():
        registry.set(LST, name, dword(number))
    for name in ("fQueryUserConfigFromLocalMachine", "fInheritMaxIdleTime"):
        registry.delete(LST, name)
    registry.delete_key(POL)
