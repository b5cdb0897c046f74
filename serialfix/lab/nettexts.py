"""What net.exe says, in en, fr, nl, de, ja (errortexts: how sure)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from serialfix.lab.errortexts import Row


NET: Mapping[str, Row] = MappingProxyType(
    {
        "net.done": (
            "The command completed successfully.",
            "La commande s’est terminée correctement.",
            "De opdracht is voltooid.",
            "Der Befehl wurde erfolgreich ausgeführt.",
            "コマンドは正常に終了しました。",
        ),
        "net.system": (
            "System error {0} has occurred.",
            "L’erreur système {0} s’est produite.",
            "Systeemfout {0}.",
            "Systemfehler {0} aufgetreten.",
            "システム エラー {0} が発生しました。",
        ),
        "net.no_member": (
            "There is no such global user or group: {0}.",
            "Il n’existe pas d’utilisateur ou de groupe de ce nom\xa0: {0}.",
            "Er bestaat geen globale gebruiker of groep met deze naam: {0}.",
            "Es gibt keinen solchen globalen Benutzer oder eine solche globale Gruppe: {0}.",
            "そのようなグローバル ユーザーまたはグループはありません: {0}。",
        ),
        "net.long_password": (
            "The password entered is longer than 14 characters.  Computers\n"
            "with Windows prior to Windows 2000 will not be able to use\n"
            "this account. Do you want to continue this operation? (Y/N) [Y]: ",
            "Le mot de passe saisi contient plus de 14 caractères. Les ordinateurs exécutant\n"
            "une version antérieure à Windows 2000 ne pourront pas utiliser ce compte.\n"
            "Voulez-vous continuer cette opération\xa0? (O/N) [O]\xa0: ",
            "Het opgegeven wachtwoord is langer dan 14 tekens. Computers\n"
            "met een Windows-versie van voor Windows 2000 kunnen dit account\n"
            "niet gebruiken. Wilt u doorgaan met deze bewerking? (J/N) [J]: ",
            "Das eingegebene Kennwort ist länger als 14 Zeichen. Computer mit Windows-\n"
            "Versionen vor Windows 2000 können dieses Konto nicht verwenden.\n"
            "Möchten Sie diesen Vorgang fortsetzen? (J/N) [J]: ",
            "入力したパスワードは 14 文字を超えています。Windows 2000 より前の\n"
            "Windows のコンピューターはこのアカウントを使えません。\n"
            "この操作を続行しますか? (Y/N) [Y]: ",
        ),
        "net.type_password": (
            "Type a password for the user: ",
            "Tapez un mot de passe pour l’utilisateur\xa0: ",
            "Geef een wachtwoord op voor de gebruiker: ",
            "Geben Sie ein Kennwort für den Benutzer ein: ",
            "ユーザーのパスワードを入力してください: ",
        ),
        "net.retype_password": (
            "Retype the password to confirm: ",
            "Retapez le mot de passe pour le confirmer\xa0: ",
            "Geef het wachtwoord nogmaals op ter bevestiging: ",
            "Geben Sie das Kennwort zur Bestätigung noch einmal ein: ",
            "確認のためにパスワードを再入力してください: ",
        ),
        "net.users": (
            "User accounts for {0}",
            "comptes d’utilisateurs de {0}",
            "Gebruikersaccounts voor {0}",
            "Benutzerkonten für {0}",
            "{0} のユーザー アカウント",
        ),
        "net.groups": (
            "Aliases for {0}",
            "alias de {0}",
            "Aliassen voor {0}",
            "Aliase für {0}",
            "{0} のエイリアス",
        ),
        "net.alias": ("Alias name", "Nom alias", "Aliasnaam", "Aliasname", "エイリアス名"),
        "net.comment": ("Comment", "Commentaire", "Opmerking", "Beschreibung", "コメント"),
        "net.members": ("Members", "Membres", "Leden", "Mitglieder", "メンバー"),
        "net.user_name": (
            "User name",
            "Nom d’utilisateur",
            "Gebruikersnaam",
            "Benutzername",
            "ユーザー名",
        ),
        "net.full_name": (
            "Full Name",
            "Nom complet",
            "Volledige naam",
            "Vollständiger Name",
            "フル ネーム",
        ),
        "net.user_comment": (
            "User's comment",
            "Commentaires utilisateur",
            "Opmerking van gebruiker",
            "Benutzerbeschreibung",
            "ユーザーのコメント",
        ),
        "net.country": (
            "Country/region code",
            "Code du pays ou de la région",
            "Landcode",
            "Länder-/Regionscode",
            "国/地域番号",
        ),
        "net.country_default": (
            "000 (System Default)",
            "000 (Valeur par défaut du système)",
            "000 (Systeemstandaard)",
            "000 (Systemstandard)",
            "000 (システム既定)",
        ),
        "net.active": (
            "Account active",
            "Compte : actif",
            "Account actief",
            "Konto aktiv",
            "アカウント有効",
        ),
        "net.expires": (
            "Account expires",
            "Le compte expire",
            "Account verloopt",
            "Konto abgelaufen",
            "アカウントの期限",
        ),
        "net.password_set": (
            "Password last set",
            "Mot de passe : dernier changement",
            "Wachtwoord voor het laatst ingesteld",
            "Letztes Setzen des Kennworts",
            "最終パスワード変更日時",
        ),
        "net.password_expires": (
            "Password expires",
            "Le mot de passe expire",
            "Wachtwoord verloopt",
            "Kennwort läuft ab",
            "パスワード有効期間",
        ),
        "net.password_changeable": (
            "Password changeable",
            "Le mot de passe modifiable",
            "Wachtwoord wijzigbaar",
            "Kennwort änderbar",
            "パスワード次回変更可能日時",
        ),
        "net.password_required": (
            "Password required",
            "Mot de passe exigé",
            "Wachtwoord vereist",
            "Kennwort erforderlich",
            "パスワードは必要",
        ),
        "net.password_may_change": (
            "User may change password",
            "L’utilisateur peut changer de mot de passe",
            "Gebruiker mag wachtwoord wijzigen",
            "Benutzer kann Kennwort ändern",
            "ユーザーによるパスワード変更可能",
        ),
        "net.workstations": (
            "Workstations allowed",
            "Stations autorisées",
            "Toegestane werkstations",
            "Erlaubte Arbeitsstationen",
            "ログオン可能なワークステーション",
        ),
        "net.script": (
            "Logon script",
            "Script d’ouverture de session",
            "Aanmeldingsscript",
            "Anmeldeskript",
            "ログオン スクリプト",
        ),
        "net.profile": (
            "User profile",
            "Profil d’utilisateur",
            "Gebruikersprofiel",
            "Benutzerprofil",
            "ユーザー プロファイル",
        ),
        "net.home": (
            "Home directory",
            "Répertoire de base",
            "Basismap",
            "Basisverzeichnis",
            "ホーム ディレクトリ",
        ),
        "net.last_logon": (
            "Last logon",
            "Dernier accès",
            "Laatste aanmelding",
            "Letzte Anmeldung",
            "最終ログオン日時",
        ),
        "net.hours": (
            "Logon hours allowed",
            "Heures d’accès autorisé",
            "Toegestane aanmeldingsuren",
            "Erlaubte Anmeldezeiten",
            "ログオン可能時間",
        ),
        "net.local_groups": (
            "Local Group Memberships",
            "Appartient aux groupes locaux",
            "Lidmaatschap lokale groep",
            "Lokale Gruppenmitgliedschaften",
            "所属しているローカル グループ",
        ),
        "net.global_groups": (
            "Global Group memberships",
            "Appartient aux groupes globaux",
            "Lidmaatschap globale groep",
            "Globale Gruppenmitgliedschaften",
            "所属しているグローバル グループ",
        ),
    }
)
