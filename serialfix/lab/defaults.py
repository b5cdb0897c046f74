"""The registry of a healthy server, as data: its values, and its services."""

from __future__ import annotations


# Listener: catalogue §6, column D; the rest as an export of such a key names it. A line is
# `name|type|data`; profiles.py spells out LST, TS and the like.
VALUES = r"""
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
[LST\TSMMRemotingAllowedApps]
ehshell.exe|DWORD|0
wmplayer.exe|DWORD|0
[LST\UserOverride\Control Panel\Desktop]
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
[TS\WinStations]
SelfSignedCertStore|REG_SZ|Remote Desktop
SelfSignedCertificate|REG_BINARY|6d2ab87bc2a41c6ed4c6ff2b9d6b0a8f3e0a57c1
[TS\WinStations\Console]
fEnableWinStation|DWORD|1
[LSA]
disabledomaincreds|DWORD|0
LimitBlankPasswordUse|DWORD|1
Notification Packages|REG_MULTI_SZ|rassfm,scecli
[LSA\FIPSAlgorithmPolicy]
Enabled|DWORD|0
[HKLM\SYSTEM\ControlSet002\Control\Terminal Server\WinStations\RDP-Tcp]
SecurityLayer|DWORD|2
[TS\RCM]
[TS\RCM\Licensing Core]
EnableConcurrentSessions|DWORD|0
LicensingMode|DWORD|5
PolicyAcOn|DWORD|0
[TS\RCM\GracePeriod]
[CONTROL\CrashControl]
AutoReboot|DWORD|1
CrashDumpEnabled|DWORD|7
DumpFile|REG_EXPAND_SZ|%SystemRoot%\MEMORY.DMP
LogEvent|DWORD|1
MinidumpDir|REG_EXPAND_SZ|%SystemRoot%\Minidump
Overwrite|DWORD|1
[CONTROL\SecurityProviders\SCHANNEL]
EventLogging|DWORD|1
[CONTROL\SecurityProviders\SCHANNEL\Protocols]
[LSA\Kerberos\Parameters]
[HKLM\SOFTWARE\Microsoft\.NETFramework]
Enable64Bit|DWORD|1
InstallRoot|REG_SZ|C:\Windows\Microsoft.NET\Framework64\
[HKLM\SOFTWARE\Microsoft\ServerManager\ServicingStorage\ServerComponentCache\RDS-RD-Server]
InstallState|DWORD|0
[HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System]
EnableLUA|DWORD|1
[NT\SoftwareProtectionPlatform]
KeyManagementServiceName|REG_SZ|azkms.core.windows.net
KeyManagementServicePort|REG_SZ|1688
[CHANNELS\Microsoft-Windows-CAPI2/Operational]
Enabled|DWORD|0
[CHANNELS\Microsoft-Windows-TerminalServices-LocalSessionManager/Operational]
Enabled|DWORD|1
[CHANNELS\Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational]
Enabled|DWORD|1
[HKLM\SYSTEM\Setup]
SystemSetupInProgress|DWORD|0
[NT]
SystemRoot|REG_SZ|C:\Windows
DigitalProductId|REG_BINARY|a40000000300000030303435352d34
InstallTime|REG_QWORD|133500000000000000
PathName|REG_EXPAND_SZ|%SystemRoot%
[HKLM\SOFTWARE\Policies\Microsoft\SystemCertificates]
[HKCU\Console]
ScreenBufferSize|DWORD|1572944
"""

# name | display name | Start | Type | account | depends on | image: a group of svchost, or a path
# (catalogue §3.6; the rest general knowledge)
SERVICES = r"""
RpcEptMapper|RPC Endpoint Mapper|2|32|NT AUTHORITY\NetworkService||RPCSS
DcomLaunch|DCOM Server Process Launcher|2|32|LocalSystem||DcomLaunch
RpcSs|Remote Procedure Call (RPC)|2|32|NT AUTHORITY\NetworkService|RpcEptMapper,DcomLaunch|RPCSS
LSM|Local Session Manager|2|32|LocalSystem|RpcEptMapper,DcomLaunch,RpcSs|DcomLaunch
SamSs|Security Accounts Manager|2|32|LocalSystem|RpcSs|C:\Windows\system32\lsass.exe
KeyIso|CNG Key Isolation|3|32|LocalSystem|RpcSs|C:\Windows\system32\lsass.exe
EventLog|Windows Event Log|2|32|NT AUTHORITY\LocalService||LocalServiceNetworkRestricted
NSI|Network Store Interface Service|2|32|NT Authority\LocalService|RpcSs|LocalService
Dhcp|DHCP Client|2|32|NT Authority\LocalService|NSI|LocalServiceNetworkRestricted
Dnscache|DNS Client|2|32|NT AUTHORITY\NetworkService|NSI|NetworkService
NlaSvc|Network Location Awareness|2|32|NT AUTHORITY\NetworkService|NSI,RpcSs,Dhcp,EventLog|
  NetworkService
netprofm|Network List Service|3|32|NT AUTHORITY\LocalService|RpcSs,NlaSvc|LocalService
iphlpsvc|IP Helper|2|32|LocalSystem|RpcSs,NSI|NetSvcs
WinHttpAutoProxySvc|WinHTTP Web Proxy Auto-Discovery Service|3|32|NT AUTHORITY\LocalService|Dhcp|
  LocalServiceNetworkRestricted
LanmanWorkstation|Workstation|2|32|NT AUTHORITY\NetworkService|NSI|NetworkService
LanmanServer|Server|2|32|LocalSystem|SamSs|netsvcs
Netlogon|Netlogon|3|32|LocalSystem|LanmanWorkstation|C:\Windows\system32\lsass.exe
BFE|Base Filtering Engine|2|32|NT AUTHORITY\LocalService|RpcSs|LocalServiceNoNetworkFirewall
MpsSvc|Windows Defender Firewall|2|32|NT Authority\LocalService|BFE|LocalServiceNoNetworkFirewall
IKEEXT|IKE and AuthIP IPsec Keying Modules|2|32|LocalSystem|BFE|netsvcs
PolicyAgent|IPsec Policy Agent|3|32|NT Authority\NetworkService|BFE|
  NetworkServiceNetworkRestricted
CryptSvc|Cryptographic Services|2|32|NT Authority\NetworkService|RpcSs|NetworkService
gpsvc|Group Policy Client|2|32|LocalSystem|RpcSs|GPSvcGroup
ProfSvc|User Profile Service|2|32|LocalSystem|RpcSs|netsvcs
Schedule|Task Scheduler|2|32|LocalSystem|RpcSs,EventLog|netsvcs
Winmgmt|Windows Management Instrumentation|2|32|localSystem|RpcSs|netsvcs
WinRM|Windows Remote Management (WS-Management)|2|32|NT AUTHORITY\NetworkService|RpcSs|
  NetworkService
TermService|Remote Desktop Services|3|32|NT Authority\NetworkService|RpcSs|termsvcs
UmRdpService|Remote Desktop Services UserMode Port Redirector|3|32|localSystem|TermService|
  LocalSystemNetworkRestricted
SessionEnv|Remote Desktop Configuration|3|32|localSystem|RpcSs|netsvcs
CertPropSvc|Certificate Propagation|3|32|LocalSystem|RpcSs|netsvcs
sacsvr|Special Administration Console Helper|3|32|LocalSystem||netsvcs
RdAgent|RdAgent|2|16|LocalSystem||C:\WindowsAzure\Packages\WaAppAgent.exe
WindowsAzureGuestAgent|Windows Azure Guest Agent|2|16|LocalSystem||
  C:\WindowsAzure\Packages\GuestAgent\WindowsAzureGuestAgent.exe
W32Time|Windows Time|2|32|NT AUTHORITY\LocalService||LocalService
RemoteRegistry|Remote Registry|2|32|NT AUTHORITY\LocalService|RpcSs|localService
sppsvc|Software Protection|3|16|NT AUTHORITY\NetworkService|RpcSs|C:\Windows\system32\sppsvc.exe
wuauserv|Windows Update|3|32|LocalSystem|RpcSs|netsvcs
BITS|Background Intelligent Transfer Service|3|32|LocalSystem|RpcSs|netsvcs
Netman|Network Connections|3|32|LocalSystem|RpcSs,NSI|LocalSystemNetworkRestricted
"""
