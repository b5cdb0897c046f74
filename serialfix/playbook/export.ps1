#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
param()
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$step = ''
$changed = @{}
# These functions are no advanced ones, so that they see the script's own $PSCmdlet and -WhatIf.

function Set-Changed($What) {
    $changed[$step] = $true
    Write-Output ('changed  ' + $step + '  ' + $What)
}

function Open-Key($Key, $Writable) {
    $root, $path = $Key -split '\\', 2
    $hive = @{ HKLM = 'LocalMachine'; HKU = 'Users'; HKCR = 'ClassesRoot'; HKCC = 'CurrentConfig' }[$root]
    $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey($hive, 'Registry64')
    if ($Writable) { return $base.CreateSubKey($path) }
    return $base.OpenSubKey($path)
}

function Get-Value($Key, $Name) {
    $opened = Open-Key $Key $false
    if ($null -eq $opened) { return $null }
    try {
        if (@($opened.GetValueNames()) -notcontains $Name) { return $null }
        return @{
            Kind = [string]$opened.GetValueKind($Name)
            Data = $opened.GetValue($Name, $null, 'DoNotExpandEnvironmentNames')
        }
    } finally { $opened.Close() }
}

function Test-Same($One, $Other) {
    $a = @($One); $b = @($Other)
    return ($a.Count -eq $b.Count) -and (($a -join [char]0) -ceq ($b -join [char]0))
}

function Set-Value($Key, $Name, $Kind, $Data) {
    $found = Get-Value $Key $Name
    if ($found -and $found.Kind -eq $Kind -and (Test-Same $found.Data $Data)) { return }
    if (-not $PSCmdlet.ShouldProcess("$Key, $Name", "set to $Kind $Data")) { return }
    $opened = Open-Key $Key $true
    try { $opened.SetValue($Name, $Data, $Kind) } finally { $opened.Close() }
    Set-Changed "$Key, $Name"
}

function Remove-Value($Key, $Name) {
    if (-not (Get-Value $Key $Name)) { return }
    if (-not $PSCmdlet.ShouldProcess("$Key, $Name", 'remove the value')) { return }
    $opened = Open-Key $Key $true
    try { $opened.DeleteValue($Name) } finally { $opened.Close() }
    Set-Changed "$Key, $Name"
}

function Export-Key($Key, $Names) {
    if (-not ($Names | Where-Object { Get-Value $Key $_ })) { return }
    $file = Join-Path $env:SystemRoot ('Temp\serialfix-' + [guid]::NewGuid().ToString('n') + '.reg')
    if (-not $PSCmdlet.ShouldProcess($Key, "export to $file")) { return }
    & reg.exe export $Key $file /y | Out-Null
    if ($LASTEXITCODE -ne 0) { throw "reg export of $Key ended with $LASTEXITCODE" }
    Write-Output ('kept     ' + $step + '  ' + $file)
}

function Get-Fact($Key, $Name) {
    $found = Get-Value $Key $Name
    if (-not $found) { return 'absent' }
    switch ($found.Kind) {
        'DWord' { return [decimal][BitConverter]::ToUInt32([BitConverter]::GetBytes([int]$found.Data), 0) }
        'QWord' { return [decimal][BitConverter]::ToUInt64([BitConverter]::GetBytes([long]$found.Data), 0) }
        default { return [string]$found.Data }
    }
}

function Test-Among($Found, $Values) {
    foreach ($value in $Values) {
        if (($value -is [string]) -eq ($Found -is [string]) -and $value -ceq $Found) { return $true }
    }
    return $false
}

function Get-ServiceOption($Name, $Option) {
    $key = "HKLM\SYSTEM\CurrentControlSet\Services\$Name"
    $start = Get-Value $key 'Start'
    if (-not $start) { throw "there is no service $Name" }
    switch ($Option) {
        'start' {
            $late = Get-Value $key 'DelayedAutostart'
            if ($start.Data -eq 2 -and $late -and $late.Data -eq 1) { return 'delayed-auto' }
            return @('boot', 'system', 'auto', 'demand', 'disabled')[$start.Data]
        }
        'account' { $found = Get-Value $key 'ObjectName'; if ($found) { return $found.Data }; return '' }
        'type' {
            $kind = (Get-Value $key 'Type').Data
            if ($kind -eq 16) { return 'own' }
            if ($kind -eq 32) { return 'share' }
            return ''
        }
    }
}

function Set-ServiceOption($Name, $Option, $Word, $Accepted) {
    $found = Get-ServiceOption $Name $Option
    if ($found -eq $Word -or $Accepted -contains $found) { return }
    if (-not $PSCmdlet.ShouldProcess("service $Name", "$Option $Word")) { return }
    $switch = @{ start = 'start='; account = 'obj='; type = 'type=' }[$Option]
    & sc.exe config $Name $switch $Word | Out-Null
    if ($LASTEXITCODE -ne 0) { throw "sc config $Name $Option ended with $LASTEXITCODE" }
    Set-Changed "service $Name, $Option"
}

function Stop-It($Name) {
    if ((Get-Service -Name $Name).Status -eq 'Stopped') { return }
    if (-not $PSCmdlet.ShouldProcess("service $Name", 'stop')) { return }
    Stop-Service -Name $Name -Force -Confirm:$false
    Set-Changed "service $Name, stopped"
}

function Start-It($Name) {
    if ((Get-Service -Name $Name).Status -eq 'Running') { return }
    if (-not $PSCmdlet.ShouldProcess("service $Name", 'start')) { return }
    Start-Service -Name $Name -Confirm:$false
    Set-Changed "service $Name, started"
}

function Get-StartError($Name) {
    if ((Get-Service -Name $Name).Status -eq 'Running') { return 0 }
    if (-not $PSCmdlet.ShouldProcess("service $Name", 'start')) { return 0 }
    & sc.exe start $Name | Out-Null
    $code = $LASTEXITCODE
    if ($code -ne 0) { return $code }
    (Get-Service -Name $Name).WaitForStatus('Running', [timespan]'00:01:00')
    $changed[$step] = $true
    return 0
}

function Set-Rule($Rule, $Enabled) {
    $found = Get-NetFirewallRule -Name $Rule
    if (([string]$found.Enabled -eq 'True') -eq $Enabled) { return }
    if (-not $PSCmdlet.ShouldProcess("firewall rule $Rule", "enabled $Enabled")) { return }
    Set-NetFirewallRule -Name $Rule -Enabled ([string]$Enabled)
    Set-Changed "firewall rule $Rule"
}

function Set-Profile($Name, $Wanted) {
    $found = Get-NetFirewallProfile -Name $Name -PolicyStore PersistentStore
    $wrong = @{}
    foreach ($each in $Wanted.Keys) {
        if ([string]$found.$each -ne $Wanted[$each]) { $wrong[$each] = $Wanted[$each] }
    }
    if (-not $wrong.Count) { return }
    if (-not $PSCmdlet.ShouldProcess("firewall profile $Name", ($wrong.Keys -join ', '))) { return }
    Set-NetFirewallProfile -Name $Name @wrong
    Set-Changed "firewall profile $Name"
}

function Set-Boot($Entry, $Element, $Value) {
    $shown = & bcdedit.exe /enum $Entry
    if ($LASTEXITCODE -ne 0) { throw "the boot configuration does not show $Entry" }
    $row = @($shown) -match ('^' + $Element + '\s+(.*)$')
    $found = if ($row) { ($row[0] -split '\s+', 2)[1].Trim() } else { $null }
    if ($found -eq $Value) { return }
    if (-not $PSCmdlet.ShouldProcess("boot entry $Entry", "$Element $Value")) { return }
    if ($null -eq $Value) { & bcdedit.exe /deletevalue $Entry $Element | Out-Null }
    else { & bcdedit.exe /set $Entry $Element $Value | Out-Null }
    if ($LASTEXITCODE -ne 0) { throw "bcdedit $Entry $Element ended with $LASTEXITCODE" }
    Set-Changed "boot entry $Entry, $Element"
}

function Get-OnlyAdapter {
    $found = @(Get-NetAdapter)
    if ($found.Count -ne 1) { throw ('name one of the network adapters: ' + ($found.Name -join ', ')) }
    return $found[0].Name
}

function Set-Adapter($Name, $Enabled) {
    $found = Get-NetAdapter -Name $Name
    if (([string]$found.AdminStatus -eq 'Up') -eq $Enabled) { return }
    if (-not $PSCmdlet.ShouldProcess("network adapter $Name", "enabled $Enabled")) { return }
    if ($Enabled) { Enable-NetAdapter -Name $Name -Confirm:$false }
    else { Disable-NetAdapter -Name $Name -Confirm:$false }
    Set-Changed "network adapter $Name"
}

function Set-Dhcp($Name, $Servers) {
    $found = Get-NetIPInterface -InterfaceAlias $Name -AddressFamily IPv4
    if ([string]$found.Dhcp -ne 'Enabled' -and
        $PSCmdlet.ShouldProcess("network adapter $Name", 'address by DHCP')) {
        & netsh.exe interface ip set address "name=$Name" source=dhcp | Out-Null
        if ($LASTEXITCODE -ne 0) { throw "netsh ended with $LASTEXITCODE" }
        Set-Changed "network adapter $Name, address by DHCP"
    }
    if (-not $PSCmdlet.ShouldProcess("network adapter $Name", 'DNS servers')) { return }
    if (@($Servers).Count) { Set-DnsClientServerAddress -InterfaceAlias $Name -ServerAddresses $Servers }
    else { Set-DnsClientServerAddress -InterfaceAlias $Name -ResetServerAddresses }
}

function Set-Account($Name, $Enabled) {
    if ((Get-LocalUser -Name $Name).Enabled -eq $Enabled) { return }
    if (-not $PSCmdlet.ShouldProcess("account $Name", "enabled $Enabled")) { return }
    if ($Enabled) { Enable-LocalUser -Name $Name } else { Disable-LocalUser -Name $Name }
    Set-Changed "account $Name"
}

function Set-Member($Group, $Name, $Member) {
    $shown = & net.exe localgroup $Group
    if ($LASTEXITCODE -ne 0) { throw "there is no local group $Group" }
    if ((@($shown) -contains $Name) -eq $Member) { return }
    if (-not $PSCmdlet.ShouldProcess("group $Group", "$Name, member $Member")) { return }
    $switch = if ($Member) { '/add' } else { '/delete' }
    & net.exe localgroup $Group $Name $switch | Out-Null
    if ($LASTEXITCODE -ne 0) { throw "net localgroup $Group ended with $LASTEXITCODE" }
    Set-Changed "account $Name in $Group"
}

# Given as one text, so that the line reaches cmd.exe as it is, with its quotes.
function Invoke-Line($Line) {
    $started = Start-Process -FilePath "$env:SystemRoot\System32\cmd.exe" -NoNewWindow -Wait -PassThru `
        -ArgumentList ('/d /s /c "' + $Line + '"') -WhatIf:$false
    return $started.ExitCode
}

function Invoke-Change($Line, $Codes) {
    if (-not $PSCmdlet.ShouldProcess($Line, 'run')) { return }
    $code = Invoke-Line $Line
    if ($Codes -notcontains $code) { throw "$Line ended with $code" }
    Set-Changed $Line
}
