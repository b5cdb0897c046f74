"""What bcdedit, tasklist, slmgr and others say, in en, fr, nl, de, ja (errortexts: how sure)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from serialfix.lab.errortexts import Row


TOOLS: Mapping[str, Row] = MappingProxyType(
    {
        "yes": ("Yes", "Oui", "Ja", "Ja", "Yes"),
        "no": ("No", "Non", "Nee", "Nein", "No"),
        "ok": ("Ok.", "Ok.", "OK.", "OK.", "OK"),
        "never": ("Never", "Jamais", "Nooit", "Nie", "無期限"),
        "all": ("All", "Tout", "Alles", "Alle", "すべて"),
        # bcdedit
        "bcd.bootmgr": (
            "Windows Boot Manager",
            "Gestionnaire de démarrage Windows",
            "Windows-opstartbeheer",
            "Windows-Start-Manager",
            "Windows ブート マネージャー",
        ),
        "bcd.loader": (
            "Windows Boot Loader",
            "Chargeur de démarrage Windows",
            "Windows-opstartlaadprogramma",
            "Windows-Startladeprogramm",
            "Windows ブート ローダー",
        ),
        "bcd.ems": (
            "EMS Settings",
            "Paramètres EMS",
            "EMS-instellingen",
            "EMS-Einstellungen",
            "EMS の設定",
        ),
        "bcd.memdiag": (
            "Windows Memory Tester",
            "Testeur de mémoire Windows",
            "Windows-geheugentest",
            "Windows-Speichertestprogramm",
            "Windows メモリ テスター",
        ),
        "bcd.identifier": ("identifier", "identificateur", "id", "Bezeichner", "識別子"),
        "bcd.reference": (
            "An error occurred while attempting to reference the specified entry.",
            "Une erreur s’est produite lors de la référence à l’entrée spécifiée.",
            "Er is een fout opgetreden bij het verwijzen naar de opgegeven vermelding.",
            "Fehler beim Verweisen auf den angegebenen Eintrag.",
            "指定されたエントリを参照中にエラーが発生しました。",
        ),
        "bcd.open": (
            "The boot configuration data store could not be opened.",
            "Impossible d’ouvrir le magasin des données de configuration de démarrage.",
            "Het archief met opstartconfiguratiegegevens kan niet worden geopend.",
            "Der Speicher für die Startkonfigurationsdaten konnte nicht geöffnet werden.",
            "ブート構成データ ストアを開けませんでした。",
        ),
        "bcd.delete": (
            "An error occurred while attempting to delete the specified data element.",
            "Une erreur s’est produite lors de la suppression de l’élément de données spécifié.",
            "Er is een fout opgetreden bij het verwijderen van het opgegeven gegevenselement.",
            "Fehler beim Löschen des angegebenen Datenelements.",
            "指定されたデータ要素の削除中にエラーが発生しました。",
        ),
        "bcd.not_found": (
            "Element not found.",
            "Élément introuvable.",
            "Kan element niet vinden.",
            "Element nicht gefunden.",
            "要素が見つかりません。",
        ),
        "bcd.element": (
            "The element data type is not recognized, or does not apply to the\nspecified entry.",
            "Le type de donnée de l’élément n’est pas reconnu ou ne s’applique pas à\n"
            "l’entrée spécifiée.",
            "Het gegevenstype van het element wordt niet herkend of is niet van toepassing op\n"
            "de opgegeven vermelding.",
            "Der Elementdatentyp wird nicht erkannt oder gilt nicht für den\nangegebenen Eintrag.",
            "要素のデータ型が認識されないか、指定されたエントリに適用されません。",
        ),
        "bcd.data": (
            "An error has occurred setting the element data.",
            "Une erreur s’est produite lors de la définition des données de l’élément.",
            "Er is een fout opgetreden bij het instellen van de elementgegevens.",
            "Fehler beim Festlegen der Elementdaten.",
            "要素データを設定中にエラーが発生しました。",
        ),
        "bcd.command": (
            "The {0} command specified is not valid.",
            "La commande {0} spécifiée n’est pas valide.",
            "De opgegeven opdracht {0} is niet geldig.",
            'Der angegebene Befehl "{0}" ist ungültig.',
            "指定された {0} コマンドは有効ではありません。",
        ),
        "bcd.help": (
            'Run "bcdedit /?" for command line assistance.',
            "Exécutez «\xa0bcdedit /?\xa0» pour obtenir de l’aide.",
            "Voer bcdedit /? uit voor hulp.",
            'Führen Sie "bcdedit /?" aus, um Hilfe zur Befehlszeile zu erhalten.',
            'コマンド ラインのヘルプを表示するには、"bcdedit /?" を実行してください。',
        ),
        # processes
        "netstat.title": (
            "Active Connections",
            "Connexions actives",
            "Actieve verbindingen",
            "Aktive Verbindungen",
            "アクティブな接続",
        ),
        "netstat.proto": ("Proto", "Proto", "Proto", "Proto", "プロトコル"),
        "netstat.local": (
            "Local Address",
            "Adresse locale",
            "Lokaal adres",
            "Lokale Adresse",
            "ローカル アドレス",
        ),
        "netstat.foreign": (
            "Foreign Address",
            "Adresse distante",
            "Extern adres",
            "Remoteadresse",
            "外部アドレス",
        ),
        "netstat.state": ("State", "État", "Status", "Status", "状態"),
        "netstat.listening": ("LISTENING", "LISTENING", "LISTENING", "ABHÖREN", "LISTENING"),
        "netstat.established": (
            "ESTABLISHED",
            "ESTABLISHED",
            "ESTABLISHED",
            "HERGESTELLT",
            "ESTABLISHED",
        ),
        "tasklist.image": (
            "Image Name",
            "Nom de l’image",
            "Procesnaam",
            "Abbildname",
            "イメージ名",
        ),
        "tasklist.session": (
            "Session Name",
            "Nom de la session",
            "Sessienaam",
            "Sitzungsname",
            "セッション名",
        ),
        "tasklist.number": ("Session#", "Session#", "Sessie#", "Sitz.-Nr.", "セッション#"),
        "tasklist.memory": (
            "Mem Usage",
            "Utilisation",
            "Geheugengebr",
            "Speichernutz",
            "メモリ使用量",
        ),
        "tasklist.services": ("Services", "Services", "Services", "Dienste", "サービス"),
        "tasklist.none": (
            "INFO: No tasks are running which match the specified criteria.",
            "Information\xa0: aucune tâche en service ne correspond aux critères spécifiés.",
            "INFO: er worden geen taken uitgevoerd die voldoen aan de opgegeven criteria.",
            "INFORMATION: Es werden keine Aufgaben mit den angegebenen Kriterien ausgeführt.",
            "情報: 指定された条件に一致するタスクは実行されていません。",
        ),
        "taskkill.done": (
            "SUCCESS: The process with PID {0} has been terminated.",
            "Opération réussie\xa0: le processus avec PID {0} a été terminé.",
            "GESLAAGD: het proces met PID {0} is beëindigd.",
            "ERFOLGREICH: Der Prozess mit PID {0} wurde beendet.",
            "成功: PID {0} のプロセスは強制終了されました。",
        ),
        "taskkill.none": (
            'ERROR: The process "{0}" not found.',
            "Erreur\xa0: le processus «\xa0{0}\xa0» est introuvable.",
            "FOUT: het proces {0} is niet gevonden.",
            'FEHLER: Der Prozess "{0}" wurde nicht gefunden.',
            'エラー: プロセス "{0}" が見つかりませんでした。',
        ),
        # sessions
        "session.name": ("SESSIONNAME", "SESSION", "SESSIENAAM", "SITZUNGSNAME", "セッション名"),
        "session.user": (
            "USERNAME",
            "UTILISATEUR",
            "GEBRUIKERSNAAM",
            "BENUTZERNAME",
            "ユーザー名",
        ),
        "session.state": ("STATE", "ÉTAT", "STATUS", "STATUS", "状態"),
        "session.type": ("TYPE", "TYPE", "TYPE", "TYP", "種類"),
        "session.device": ("DEVICE", "PÉRIPHÉRIQUE", "APPARAAT", "GERÄT", "デバイス"),
        "session.idle": ("IDLE TIME", "TEMPS INACT", "INACTIEF", "LEERLAUF", "アイドル時間"),
        "session.logon": (
            "LOGON TIME",
            "TEMPS SESSION",
            "AANMELDTIJD",
            "ANMELDEZEIT",
            "ログオン時刻",
        ),
        "session.Active": ("Active", "Actif", "Actief", "Aktiv", "Active"),
        "session.Disc": ("Disc", "Déco", "Verbr.", "Getr.", "Disc"),
        "session.Listen": ("Listen", "Écouter", "Luist.", "Abhör.", "Listen"),
        "session.Conn": ("Conn", "Conn", "Verb.", "Verb.", "Conn"),
        "session.none": (
            "No User exists for {0}",
            "Aucun utilisateur n’existe pour {0}",
            "Er bestaat geen gebruiker voor {0}",
            "Es ist kein Benutzer für {0} vorhanden.",
            "{0} というユーザーは存在しません",
        ),
        "session.not_found": (
            "Session {0} not found",
            "Session {0} introuvable",
            "Sessie {0} is niet gevonden",
            "Die Sitzung {0} wurde nicht gefunden.",
            "セッション {0} が見つかりません",
        ),
        # wevtutil
        "event.channel": (
            "The specified channel could not be found.",
            "Le canal spécifié est introuvable.",
            "Het opgegeven kanaal is niet gevonden.",
            "Der angegebene Kanal wurde nicht gefunden.",
            "指定されたチャネルが見つかりませんでした。",
        ),
        "event.query": (
            "The specified query is invalid.",
            "La requête spécifiée n’est pas valide.",
            "De opgegeven query is ongeldig.",
            "Die angegebene Abfrage ist ungültig.",
            "指定されたクエリは無効です。",
        ),
        "event.error": ("Error", "Erreur", "Fout", "Fehler", "エラー"),
        # slmgr
        "slmgr.set": (
            "Key Management Service machine name set to {0} successfully.",
            "Le nom de l’ordinateur du service de gestion de clés est défini sur {0}.",
            "De computernaam van de Key Management Service is ingesteld op {0}.",
            "Der Name des Schlüsselverwaltungsdienst-Computers wurde auf {0} festgelegt.",
            "キー管理サービス コンピューター名を {0} に設定しました。",
        ),
        "slmgr.cleared": (
            "Key Management Service machine name cleared successfully.",
            "Le nom de l’ordinateur du service de gestion de clés a été effacé.",
            "De computernaam van de Key Management Service is gewist.",
            "Der Name des Schlüsselverwaltungsdienst-Computers wurde gelöscht.",
            "キー管理サービス コンピューター名をクリアしました。",
        ),
        "slmgr.activating": (
            "Activating {0} ({1}) ...",
            "Activation de {0} ({1}) ...",
            "{0} ({1}) activeren ...",
            "{0} ({1}) wird aktiviert...",
            "{0} ({1}) をライセンス認証しています...",
        ),
        "slmgr.activated": (
            "Product activated successfully.",
            "Le produit a été activé.",
            "Het product is geactiveerd.",
            "Das Produkt wurde erfolgreich aktiviert.",
            "製品は正常にライセンス認証されました。",
        ),
        "slmgr.no_kms": (
            "Error: 0xC004F074 The Software Licensing Service reported that the product could not "
            "be activated. No Key Management Service (KMS) could be contacted. Please see the "
            "Application Event Log for additional information.",
            "Erreur\xa0: 0xC004F074 Aucun service de gestion de clés (KMS) n’a pu être contacté.",
            "Fout: 0xC004F074 Er kan geen contact worden gemaakt met een Key Management Service.",
            "Fehler: 0xC004F074 Es konnte keine Verbindung mit einem Schlüsselverwaltungsdienst "
            "hergestellt werden.",
            "エラー: 0xC004F074 キー管理サービス (KMS) に接続できませんでした。",
        ),
        "slmgr.licensed": (
            "License Status: Licensed",
            "État de la licence\xa0: avec licence",
            "Licentiestatus: Gelicentieerd",
            "Lizenzstatus: Lizenziert",
            "ライセンスの状態: ライセンスされています",
        ),
        "slmgr.notification": (
            "License Status: Notification",
            "État de la licence\xa0: notification",
            "Licentiestatus: Melding",
            "Lizenzstatus: Benachrichtigung",
            "ライセンスの状態: 通知",
        ),
        # reg
        "reg.open": (
            "ERROR: Error opening the file. There may be a disk or file system error.",
            "Erreur\xa0: erreur lors de l’ouverture du fichier.",
            "FOUT: kan het bestand niet openen.",
            "FEHLER: Fehler beim Öffnen der Datei.",
            "エラー: ファイルを開くときにエラーが発生しました。",
        ),
        "reg.damaged": (
            "ERROR: Error accessing the registry.",
            "Erreur\xa0: erreur lors de l’accès au Registre.",
            "FOUT: kan geen toegang krijgen tot het register.",
            "FEHLER: Fehler beim Zugriff auf die Registrierung.",
            "エラー: レジストリへのアクセス中にエラーが発生しました。",
        ),
    }
)
