"""Windows' own error messages by number, in en, fr, nl, de, ja.

Only some were seen on a real machine of that language (sac.md §9): they are there so that nothing
can be judged by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


Row = tuple[str, str, str, str, str]

ERRORS: Mapping[int, Row] = MappingProxyType(
    {
        2: (
            "The system cannot find the file specified.",
            "Le fichier spécifié est introuvable.",
            "Het systeem kan het opgegeven bestand niet vinden.",
            "Das System kann die angegebene Datei nicht finden.",
            "指定されたファイルが見つかりません。",
        ),
        5: (
            "Access is denied.",
            "Accès refusé.",
            "Toegang geweigerd.",
            "Zugriff verweigert",
            "アクセスが拒否されました。",
        ),
        87: (
            "The parameter is incorrect.",
            "Paramètre incorrect.",
            "De parameter is onjuist.",
            "Falscher Parameter.",
            "パラメーターが間違っています。",
        ),
        123: (
            "The filename, directory name, or volume label syntax is incorrect.",
            "La syntaxe du nom de fichier, de répertoire ou de volume est incorrecte.",
            "De syntaxis van de bestandsnaam, mapnaam of volumenaam is onjuist.",
            "Die Syntax für den Dateinamen, Verzeichnisnamen oder die Datenträgerbezeichnung ist "
            "falsch.",
            "ファイル名、ディレクトリ名、またはボリューム ラベルの構文が間違っています。",
        ),
        1051: (
            "A stop control has been sent to a service that other running services are "
            "dependent on.",
            "Un contrôle d’arrêt a été envoyé à un service dont dépendent d’autres services.",
            "Andere actieve services zijn afhankelijk van deze service.",
            "Von diesem Dienst hängen andere laufende Dienste ab.",
            "実行中のほかのサービスが依存しているサービスに停止コントロールが送られました。",
        ),
        1052: (
            "The requested control is not valid for this service.",
            "Le contrôle demandé n’est pas valide pour ce service.",
            "De aangevraagde controle is niet geldig voor deze service.",
            "Das angeforderte Steuerelement ist für diesen Dienst nicht gültig.",
            "要求された制御はこのサービスに対して無効です。",
        ),
        1053: (
            "The service did not respond to the start or control request in a timely fashion.",
            "Le service n’a pas répondu assez vite à la demande de lancement ou de contrôle.",
            "De service heeft niet tijdig gereageerd op de begin- of stuuraanvraag.",
            "Der Dienst antwortete nicht rechtzeitig auf die Start- oder Steuerungsanforderung.",
            "そのサービスは指定時間内に開始要求または制御要求に応答しませんでした。",
        ),
        1056: (
            "An instance of the service is already running.",
            "Une instance du service s’exécute déjà.",
            "Er is al een exemplaar van de service actief.",
            "Es wird bereits eine Instanz des Dienstes ausgeführt.",
            "サービスのインスタンスは既に実行中です。",
        ),
        1057: (
            "The account name is invalid or does not exist, or the password is invalid for the "
            "account name specified.",
            "Le nom du compte n’est pas valide ou n’existe pas, ou le mot de passe n’est pas "
            "valide pour le nom du compte spécifié.",
            "De accountnaam is ongeldig of bestaat niet, of het wachtwoord is ongeldig voor de "
            "opgegeven accountnaam.",
            "Der angegebene Kontoname ist ungültig oder nicht vorhanden, oder das Kennwort ist "
            "für den angegebenen Kontonamen ungültig.",
            "アカウント名が無効か存在しません。または、指定されたアカウント名に対するパスワードが無効です。",
        ),
        1058: (
            "The service cannot be started, either because it is disabled or because it "
            "has no enabled devices associated with it.",
            "Le service ne peut pas être démarré parce qu’il est désactivé.",
            "De service kan niet worden gestart omdat deze is uitgeschakeld.",
            "Der angegebene Dienst kann nicht gestartet werden. Er ist deaktiviert.",
            "無効になっているため、サービスを開始できません。",
        ),
        1059: (
            "Circular service dependency was specified.",
            "Une dépendance de service circulaire a été spécifiée.",
            "Er is een kringafhankelijkheid van services opgegeven.",
            "Angegebene Dienstabhängigkeit bildet eine Ringabhängigkeit.",
            "循環するサービス依存関係が指定されました。",
        ),
        1060: (
            "The specified service does not exist as an installed service.",
            "Le service spécifié n’existe pas en tant que service installé.",
            "De opgegeven service is geen geïnstalleerde service.",
            "Der angegebene Dienst ist kein installierter Dienst.",
            "指定されたサービスはインストールされたサービスとして存在しません。",
        ),
        1061: (
            "The service cannot accept control messages at this time.",
            "Le service ne peut pas accepter des messages de contrôle en ce moment.",
            "De service kan op dit moment geen stuurberichten accepteren.",
            "Der Dienst kann zurzeit keine Steuermeldungen annehmen.",
            "サービスは、現在制御メッセージを受け付けることができません。",
        ),
        1062: (
            "The service has not been started.",
            "Le service n’a pas été démarré.",
            "De service is niet gestart.",
            "Der Dienst wurde nicht gestartet.",
            "サービスを開始できませんでした。",
        ),
        1067: (
            "The process terminated unexpectedly.",
            "Le processus s’est arrêté inopinément.",
            "Het proces is onverwacht beëindigd.",
            "Der Prozess wurde unerwartet beendet.",
            "プロセスを途中で強制終了しました。",
        ),
        1068: (
            "The dependency service or group failed to start.",
            "Le service ou le groupe de dépendance n’a pas pu démarrer.",
            "De afhankelijkheidsservice of -groep kan niet worden gestart.",
            "Der Abhängigkeitsdienst oder die Abhängigkeitsgruppe konnte nicht gestartet werden.",
            "依存関係サービスまたはグループを起動できませんでした。",
        ),
        1069: (
            "The service did not start due to a logon failure.",
            "Le service n’a pas démarré en raison d’un échec d’ouverture de session.",
            "De service is niet gestart vanwege een aanmeldingsfout.",
            "Der Dienst konnte wegen einer fehlerhaften Anmeldung nicht gestartet werden.",
            "ログオン失敗のためサービスを開始できませんでした。",
        ),
        1070: (
            "After starting, the service hung in a start-pending state.",
            "Après le démarrage, le service s’est bloqué en attente de démarrage.",
            "Na het starten is de service in de startstatus blijven hangen.",
            "Der Dienst blieb nach dem Start im Zustand „Wird gestartet“ hängen.",
            "開始後に、サービスは開始保留状態でハングしました。",
        ),
        1075: (
            "The dependency service does not exist or has been marked for deletion.",
            "Le service de dépendance n’existe pas ou a été marqué pour suppression.",
            "De afhankelijkheidsservice bestaat niet of is gemarkeerd voor verwijdering.",
            "Der Abhängigkeitsdienst ist nicht vorhanden oder wurde zum Löschen markiert.",
            "依存関係サービスは存在しないか、削除対象に指定されています。",
        ),
        1077: (
            "No attempts to start the service have been made since the last boot.",
            "Aucune tentative de démarrage du service n’a eu lieu depuis le dernier démarrage.",
            "Sinds de laatste keer opstarten is niet geprobeerd de service te starten.",
            "Es wurde seit dem letzten Systemstart noch nicht versucht, den Dienst zu starten.",
            "最後のブート以降、サービスを開始しようとしていません。",
        ),
        1079: (
            "The account specified for this service is different from the account specified for "
            "other services running in the same process.",
            "Le compte spécifié pour ce service est différent du compte spécifié pour d’autres "
            "services s’exécutant dans le même processus.",
            "Het account voor deze service is anders dan dat van andere services in hetzelfde "
            "proces.",
            "Das angegebene Konto für diesen Dienst unterscheidet sich von dem Konto anderer "
            "Dienste, die in demselben Prozess ausgeführt werden.",
            "このサービスに指定されたアカウントは、同じプロセスで実行しているほかのサービスに指定されたアカウントと異なります。",
        ),
        1084: (
            "This service cannot be started in Safe Mode",
            "Ce service ne peut pas être démarré en mode sans échec",
            "Deze service kan niet in de veilige modus worden gestart",
            "Dieser Dienst kann nicht im abgesicherten Modus gestartet werden.",
            "このサービスはセーフ モードで開始できません",
        ),
        1355: (
            "The specified domain either does not exist or could not be contacted.",
            "Le domaine spécifié n’existe pas ou n’a pas pu être contacté.",
            "Het opgegeven domein bestaat niet of er kan geen verbinding mee worden gemaakt.",
            "Die angegebene Domäne ist nicht vorhanden oder es konnte keine Verbindung "
            "hergestellt werden.",
            "指定されたドメインがないか、またはアクセスできません。",
        ),
        1376: (
            "The specified local group does not exist.",
            "Le groupe local spécifié n’existe pas.",
            "De opgegeven lokale groep bestaat niet.",
            "Die angegebene lokale Gruppe ist nicht vorhanden.",
            "指定されたローカル グループは存在しません。",
        ),
        1377: (
            "The specified account name is not a member of the group.",
            "Le nom de compte spécifié n’est pas membre du groupe.",
            "De opgegeven accountnaam is geen lid van de groep.",
            "Der angegebene Kontoname ist kein Mitglied der lokalen Gruppe.",
            "指定されたアカウント名は、このグループのメンバーではありません。",
        ),
        1378: (
            "The specified account name is already a member of the group.",
            "Le nom de compte spécifié est déjà membre du groupe.",
            "De opgegeven accountnaam is al lid van de groep.",
            "Der angegebene Kontoname ist bereits Mitglied der Gruppe.",
            "指定されたアカウント名は、既にこのグループのメンバーです。",
        ),
        1753: (
            "There are no more endpoints available from the endpoint mapper.",
            "Le mappeur de point final n’a plus de point final disponible.",
            "Er zijn geen eindpunten meer beschikbaar bij de eindpunttoewijzer.",
            "Es sind keine weiteren Endpunkte von der Endpunktzuordnung verfügbar.",
            "エンドポイント マッパーから使用できるエンドポイントはこれ以上ありません。",
        ),
        2221: (
            "The user name could not be found.",
            "Le nom d’utilisateur est introuvable.",
            "De gebruikersnaam is niet gevonden.",
            "Der Benutzername konnte nicht gefunden werden.",
            "ユーザー名が見つかりません。",
        ),
        2224: (
            "The account already exists.",
            "Le compte existe déjà.",
            "Het account bestaat al.",
            "Das Konto ist bereits vorhanden.",
            "アカウントは既に存在します。",
        ),
        2245: (
            "The password does not meet the password policy requirements. Check the minimum "
            "password length, password complexity and password history requirements.",
            "Le mot de passe ne répond pas aux critères de la stratégie des mots de passe.",
            "Het wachtwoord voldoet niet aan de vereisten van het wachtwoordbeleid.",
            "Das Kennwort entspricht nicht den Anforderungen der Kennwortrichtlinien.",
            "パスワードは、パスワード ポリシーの要件を満たしていません。",
        ),
    }
)
