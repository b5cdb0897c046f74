"""The JSON shapes of Compute, as azure.md §7 lists them."""

from __future__ import annotations

import uuid
from typing import Any

from serialfix.lab.cloud import Operation, timestamp
from serialfix.lab.vm import POWER_TEXT, LabVm


def vm_json(vm: LabVm, *, view: bool = False, upper: bool = False) -> dict[str, Any]:
    """A plain VM. `upper` spells the resource group of the id as subscription-wide lists do."""
    vm_id = vm.id
    if upper:
        vm_id = vm_id.replace(
            f"/resourceGroups/{vm.resource_group}/", f"/resourceGroups/{vm.resource_group.upper()}/"
        )
    return {
        "name": vm.name,
        "id": vm_id,
        "type": "Microsoft.Compute/virtualMachines",
        "location": vm.location,
        "tags": dict(vm.tags),
        "identity": {
            "type": "SystemAssigned",
            "principalId": str(uuid.uuid5(uuid.NAMESPACE_OID, vm_id.lower())),
            "tenantId": str(uuid.uuid5(uuid.NAMESPACE_OID, vm.subscription)),
        },
        "etag": '"2"',
        "properties": _properties(vm, view=view),
    }


def instance_json(vm: LabVm, *, view: bool = False) -> dict[str, Any]:
    """An instance of a uniform scale set."""
    properties = _properties(vm, view=view)
    properties["latestModelApplied"] = True
    properties["modelDefinitionApplied"] = "VirtualMachineScaleSet"
    return {
        "name": f"{vm.scale_set}_{vm.instance_id}",
        "id": vm.id,
        "type": "Microsoft.Compute/virtualMachineScaleSets/virtualMachines",
        "location": vm.location,
        "tags": dict(vm.tags),
        "instanceId": vm.instance_id,
        "sku": {"name": "Standard_D2s_v5", "tier": "Standard"},
        "properties": properties,
    }


def scale_set_json(instances: list[LabVm]) -> dict[str, Any]:
    """The scale set that the instances belong to."""
    vm = instances[0]
    return {
        "name": vm.scale_set,
        "id": vm.id.rpartition("/virtualMachines/")[0],
        "type": "Microsoft.Compute/virtualMachineScaleSets",
        "location": vm.location,
        "sku": {"name": "Standard_D2s_v5", "tier": "Standard", "capacity": len(instances)},
        "properties": {
            "singlePlacementGroup": True,
            "orchestrationMode": "Uniform",
            "upgradePolicy": {"mode": "Manual"},
            "provisioningState": "Succeeded",
            "overprovision": False,
            "uniqueId": str(uuid.uuid5(uuid.NAMESPACE_OID, vm.id)),
            "virtualMachineProfile": {
                key: value
                for key, value in _properties(vm).items()
                if key in ("storageProfile", "osProfile", "diagnosticsProfile")
            },
        },
    }


def instance_view(vm: LabVm) -> dict[str, Any]:
    """By power state, agent and boot diagnostics; a dead agent reports no name and no system."""
    now = timestamp()
    view: dict[str, Any] = {}
    if vm.scale_set is not None:
        view |= {
            "placementGroupId": str(uuid.uuid5(uuid.NAMESPACE_OID, vm.scale_set)),
            "platformUpdateDomain": 0,
            "platformFaultDomain": 0,
        }
    if vm.power_state != "deallocated":
        if vm.agent_ready:
            view |= {
                "computerName": vm.name,
                "osName": vm.image.os_name,
                "osVersion": vm.image.os_version,
            }
        view["vmAgent"] = _agent(vm, now)
    view["disks"] = [
        {
            "name": vm.os_disk,
            "statuses": [
                _status("ProvisioningState/succeeded", "Provisioning succeeded", time=now)
            ],
        }
    ]
    if vm.boot_diagnostics == "managed":
        view["bootDiagnostics"] = {}
    elif vm.boot_diagnostics == "custom":
        blob = f"{_storage_uri(vm)}bootdiagnostics-{vm.name}/{vm.name}.{vm.vm_id}"
        view["bootDiagnostics"] = {
            "consoleScreenshotBlobUri": f"{blob}.screenshot.bmp",
            "serialConsoleLogBlobUri": f"{blob}.serialconsole.log",
        }
    view["hyperVGeneration"] = "V2"
    state = vm.provisioning.lower()
    view["statuses"] = [
        _status(f"ProvisioningState/{state}", f"Provisioning {state}", time=now),
        _status(f"PowerState/{vm.power_state}", POWER_TEXT[vm.power_state]),
    ]
    return view


def disk_json(vm: LabVm) -> dict[str, Any]:
    """The OS disk of a VM."""
    return {
        "name": vm.os_disk,
        "id": disk_id(vm),
        "type": "Microsoft.Compute/disks",
        "location": vm.location,
        "tags": {},
        "managedBy": vm.id,
        "sku": {"name": "Premium_LRS", "tier": "Premium"},
        "properties": {
            "osType": vm.image.os_type,
            "hyperVGeneration": "V2",
            "creationData": {
                "createOption": "FromImage",
                "imageReference": {
                    "id": f"/Subscriptions/{vm.subscription}/Providers/Microsoft.Compute/Locations/"
                    f"{vm.location}/Publishers/{vm.image.publisher}/ArtifactTypes/VMImage/Offers/"
                    f"{vm.image.offer}/Skus/{vm.image.sku}/Versions/latest"
                },
            },
            "diskSizeGB": 127,
            "diskSizeBytes": 127 * 1024**3,
            "diskState": "Attached" if vm.power_state == "running" else "Reserved",
            "provisioningState": "Succeeded",
            "uniqueId": str(uuid.uuid5(uuid.NAMESPACE_OID, vm.os_disk)),
            "timeCreated": "2024-11-21T03:24:18.3166432+00:00",
        },
    }


def disk_id(vm: LabVm) -> str:
    """The ARM id of its OS disk."""
    return (
        f"/subscriptions/{vm.subscription}/resourceGroups/{vm.resource_group}"
        f"/providers/Microsoft.Compute/disks/{vm.os_disk}"
    )


def operation_json(operation: Operation) -> dict[str, Any]:
    """The status of a long-running operation."""
    body: dict[str, Any] = {"startTime": operation.started}
    if operation.ended is not None:
        body["endTime"] = operation.ended
        if operation.error:
            code, message = operation.error
            body["error"] = {"code": code, "message": message}
        elif operation.output is not None:
            body["properties"] = {"output": operation.output}
    return body | {"status": operation.status, "name": operation.id}


def _properties(vm: LabVm, *, view: bool = False) -> dict[str, Any]:
    image = vm.image
    os_profile: dict[str, Any] = {
        "computerName": vm.name,
        "adminUsername": "azureadmin",
        "secrets": [],
        "allowExtensionOperations": True,
        "requireGuestProvisionSignal": True,
    }
    if image.os_type == "Windows":
        os_profile["windowsConfiguration"] = {
            "provisionVMAgent": True,
            "enableAutomaticUpdates": True,
            "patchSettings": {"patchMode": "AutomaticByOS", "assessmentMode": "ImageDefault"},
        }
    else:
        os_profile["linuxConfiguration"] = {"disablePasswordAuthentication": False}
    properties: dict[str, Any] = {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "provisioningState": vm.provisioning,
        "vmId": vm.vm_id,
        "storageProfile": {
            "imageReference": {
                "publisher": image.publisher,
                "offer": image.offer,
                "sku": image.sku,
                "version": "latest",
                "exactVersion": image.os_version.removeprefix("10.0."),
            },
            "osDisk": {
                "osType": image.os_type,
                "name": vm.os_disk,
                "createOption": "FromImage",
                "caching": "ReadWrite",
                "managedDisk": {"storageAccountType": "Premium_LRS", "id": disk_id(vm)},
                "deleteOption": "Detach",
                "diskSizeGB": 127,
            },
            "dataDisks": [],
            "diskControllerType": "SCSI",
        },
        "osProfile": os_profile,
        "securityProfile": {"securityType": "TrustedLaunch"},
        "networkProfile": {
            "networkInterfaces": [
                {
                    "id": f"/subscriptions/{vm.subscription}/resourceGroups/{vm.resource_group}"
                    f"/providers/Microsoft.Network/networkInterfaces/{vm.name}VMNic"
                }
            ]
        },
        "timeCreated": "2024-11-21T03:24:17.9728902+00:00",
    }
    if vm.boot_diagnostics != "none":
        diagnostics: dict[str, Any] = {"enabled": vm.boot_diagnostics != "disabled"}
        if vm.boot_diagnostics == "custom":
            diagnostics["storageUri"] = _storage_uri(vm)
        properties["diagnosticsProfile"] = {"bootDiagnostics": diagnostics}
    if view:
        properties["instanceView"] = instance_view(vm)
    return properties


def _agent(vm: LabVm, now: str) -> dict[str, Any]:
    if vm.agent_ready:
        return {
            "vmAgentVersion": "2.7.41491.1149",
            "statuses": [
                _status(
                    "ProvisioningState/succeeded",
                    "Ready",
                    message="GuestAgent is running and processing the extensions.",
                    time=now,
                )
            ],
            "extensionHandlers": [],
        }
    return {
        "vmAgentVersion": "Unknown",
        "statuses": [
            _status(
                "ProvisioningState/Unavailable",
                "Not Ready",
                level="Warning",
                message="VM status blob is found but not yet populated.",
                time=now,
            )
        ],
    }


def _status(code: str, text: str, *, level: str = "Info", **more: str) -> dict[str, Any]:
    return {"code": code, "level": level, "displayStatus": text, **more}


def _storage_uri(vm: LabVm) -> str:
    return f"https://diag{vm.vm_id[:8]}.blob.core.windows.net/"
