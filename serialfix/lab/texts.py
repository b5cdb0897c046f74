"""What cmd.exe, reg.exe, sc.exe and net.exe say in five languages (sac.md §9).

The rows of reg.exe follow the table of the facts; of the others only the English is certain, the
rest is there so that no client can live on English alone. Never localised: REG_ types, HKEY_
names, exit codes, everything SAC says.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from serialfix.lab.errortexts import ERRORS
from serialfix.lab.netshtexts import NETSH
from serialfix.lab.nettexts import NET
from serialfix.lab.profiles import Language
from serialfix.lab.tooltexts import TOOLS


LANGUAGES: tuple[Language, ...] = ("en", "fr", "nl", "de", "ja")

_ROWS = {**NET, **NETSH, **TOOLS}

_TEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "done": {
            "en": "The operation completed successfully.",
            "fr": "L’opération a réussi.",
            "nl": "De bewerking is voltooid.",
            "de": "Der Vorgang wurde erfolgreich beendet.",
            "ja": "この操作を正しく終了しました。",
        },
        "reg.absent": {
            "en": "ERROR: The system was unable to find the specified registry key or value.",
            "fr": "Erreur\xa0: le système n’a pas trouvé la clé ou la valeur de Registre "
            "spécifiée.",
            "nl": "FOUT: het systeem kon de opgegeven registersleutel of -waarde niet vinden.",
            "de": "FEHLER: Der angegebene Registrierungsschlüssel bzw. Wert wurde nicht gefunden.",
            "ja": "エラー: 指定されたレジストリ キーまたは値が見つかりませんでした",
        },
        "reg.denied": {
            "en": "ERROR: Access is denied.",
            "fr": "Erreur\xa0: Accès refusé.",
            "nl": "FOUT: toegang geweigerd.",
            "de": "FEHLER: Zugriff verweigert",
            "ja": "エラー: アクセスが拒否されました。",
        },
        "reg.syntax": {
            "en": 'ERROR: Invalid syntax.\nType "REG {0} /?" for usage.',
            "fr": "Erreur\xa0: syntaxe non valide.\nEntrez «\xa0REG {0} /?\xa0».",
            "nl": 'FOUT: ongeldige syntaxis.\nTyp "REG {0} /?" voor informatie over het gebruik.',
            "de": 'FEHLER: Ungültige Syntax.\nGeben Sie "REG {0} /?" für Informationen ein.',
            "ja": 'エラー: 無効な構文です。\n"REG {0} /?" と入力してください。',
        },
        "reg.key": {
            "en": 'ERROR: Invalid key name.\nType "REG {0} /?" for usage.',
            "fr": "Erreur\xa0: nom de clé non valide.\nEntrez «\xa0REG {0} /?\xa0».",
            "nl": 'FOUT: ongeldige sleutelnaam.\nTyp "REG {0} /?" voor meer informatie.',
            "de": 'FEHLER: Ungültiger Schlüsselname.\nGeben Sie "REG {0} /?" ein.',
            "ja": 'エラー: 無効なキー名です。\n"REG {0} /?" と入力してください。',
        },
        "reg.default": {
            "en": "(Default)",
            "fr": "(par défaut)",
            "nl": "(standaard)",
            "de": "(Standard)",
            "ja": "(既定)",
        },
        "reg.unset": {
            "en": "(value not set)",
            "fr": "(valeur non définie)",
            "nl": "(geen waarde ingesteld)",
            "de": "(Wert nicht festgelegt)",
            "ja": "(値の設定なし)",
        },
        "reg.overwrite": {
            "en": "Value {0} exists, overwrite(Yes/No)? ",
            "fr": "La valeur {0} existe, remplacer (Oui/Non)\xa0? ",
            "nl": "Waarde {0} bestaat. Overschrijven (Ja/Nee)? ",
            "de": "Der Wert {0} ist vorhanden, überschreiben (Ja/Nein)? ",
            "ja": "値 {0} は存在します。上書きしますか? (Yes/No) ",
        },
        "reg.delete": {
            "en": "Delete the registry value {0} (Yes/No)? ",
            "fr": "Supprimer la valeur de Registre {0} (Oui/Non)\xa0? ",
            "nl": "De registerwaarde {0} verwijderen (Ja/Nee)? ",
            "de": "Registrierungswert {0} löschen (Ja/Nein)? ",
            "ja": "レジストリ値 {0} を削除しますか (Yes/No)? ",
        },
        "reg.delete_key": {
            "en": "Permanently delete the registry key {0} (Yes/No)? ",
            "fr": "Supprimer définitivement la clé de Registre {0} (Oui/Non)\xa0? ",
            "nl": "De registersleutel {0} permanent verwijderen (Ja/Nee)? ",
            "de": "Registrierungsschlüssel {0} endgültig löschen (Ja/Nein)? ",
            "ja": "レジストリ キー {0} を完全に削除しますか (Yes/No)? ",
        },
        "reg.file": {
            "en": "File {0} already exists. Overwrite (Yes/No)?",
            "fr": "Le fichier {0} existe déjà. Remplacer (Oui/Non)\xa0?",
            "nl": "Bestand {0} bestaat al. Overschrijven (Ja/Nee)?",
            "de": "Die Datei {0} ist bereits vorhanden. Überschreiben (Ja/Nein)?",
            "ja": "ファイル {0} は既に存在します。上書きしますか (Yes/No)?",
        },
        "reg.cancelled": {
            "en": "The operation was canceled by the user.",
            "fr": "L’opération a été annulée par l’utilisateur.",
            "nl": "De bewerking is door de gebruiker geannuleerd.",
            "de": "Der Vorgang wurde durch den Benutzer abgebrochen.",
            "ja": "この操作はユーザーによって取り消されました。",
        },
        "cmd.unknown": {
            "en": "'{0}' is not recognized as an internal or external command,\n"
            "operable program or batch file.",
            "fr": "'{0}' n’est pas reconnu en tant que commande interne\n"
            "ou externe, un programme exécutable ou un fichier de commandes.",
            "nl": "'{0}' wordt niet herkend als een interne\n"
            "of externe opdracht, programma of batchbestand.",
            "de": 'Der Befehl "{0}" ist entweder falsch geschrieben oder\n'
            "konnte nicht gefunden werden.",
            "ja": "'{0}' は、内部コマンドまたは外部コマンド、\n"
            "操作可能なプログラムまたはバッチ ファイルとして認識されていません。",
        },
        "cmd.unexpected": {
            "en": "{0} was unexpected at this time.",
            "fr": "{0} était inattendu.",
            "nl": "{0} was onverwacht op dit moment.",
            "de": '"{0}" kann syntaktisch an dieser Stelle nicht verarbeitet werden.',
            "ja": "{0} の使い方が誤っています。",
        },
        "cmd.syntax": {
            "en": "The syntax of the command is incorrect.",
            "fr": "La syntaxe de la commande n’est pas correcte.",
            "nl": "De syntaxis van de opdracht is onjuist.",
            "de": "Syntaxfehler.",
            "ja": "コマンドの構文が誤っています。",
        },
        "cmd.undefined": {
            "en": "Environment variable {0} not defined",
            "fr": "La variable d’environnement {0} n’est pas définie",
            "nl": "Omgevingsvariabele {0} is niet gedefinieerd",
            "de": 'Die Umgebungsvariable "{0}" ist nicht definiert',
            "ja": "環境変数 {0} が定義されていません",
        },
        "cmd.no_path": {
            "en": "The system cannot find the path specified.",
            "fr": "Le chemin d’accès spécifié est introuvable.",
            "nl": "Het systeem kan het opgegeven pad niet vinden.",
            "de": "Das System kann den angegebenen Pfad nicht finden.",
            "ja": "指定されたパスが見つかりません。",
        },
        "cmd.no_file": {
            "en": "The system cannot find the file specified.",
            "fr": "Le fichier spécifié est introuvable.",
            "nl": "Het systeem kan het opgegeven bestand niet vinden.",
            "de": "Das System kann die angegebene Datei nicht finden.",
            "ja": "指定されたファイルが見つかりません。",
        },
        "cmd.echo": {
            "en": "ECHO is {0}.",
            "fr": "Commande ECHO activée.",
            "nl": "ECHO staat aan.",
            "de": "ECHO ist eingeschaltet (ON).",
            "ja": "ECHO は <ON> です。",
        },
        "cmd.more": {
            "en": "More? ",
            "fr": "Plus? ",
            "nl": "Meer? ",
            "de": "Mehr? ",
            "ja": "More? ",
        },
        "cmd.rights": {
            "en": "(c) {0}Microsoft Corporation. All rights reserved.",
            "fr": "(c) {0}Microsoft Corporation. Tous droits réservés.",
            "nl": "(c) {0}Microsoft Corporation. Alle rechten voorbehouden.",
            "de": "(c) {0}Microsoft Corporation. Alle Rechte vorbehalten.",
            "ja": "(c) {0}Microsoft Corporation. All rights reserved.",
        },
        "cmd.administrator": {
            "en": "Administrator: ",
            "fr": "Administrateur\xa0: ",
            "nl": "Administrator: ",
            "de": "Administrator: ",
            "ja": "管理者: ",
        },
        "sc.changed": {
            "en": "[SC] ChangeServiceConfig SUCCESS",
            "fr": "[SC] ChangeServiceConfig réussite(s)",
            "nl": "[SC] ChangeServiceConfig geslaagd",
            "de": "[SC] ChangeServiceConfig ERFOLG",
            "ja": "[SC] ChangeServiceConfig SUCCESS",
        },
        "sc.queried": {
            "en": "[SC] QueryServiceConfig SUCCESS",
            "fr": "[SC] QueryServiceConfig réussite(s)",
            "nl": "[SC] QueryServiceConfig geslaagd",
            "de": "[SC] QueryServiceConfig ERFOLG",
            "ja": "[SC] QueryServiceConfig SUCCESS",
        },
        "sc.failed": {
            "en": "[SC] {0} FAILED {1}:",
            "fr": "[SC] {0} échec(s) {1} :",
            "nl": "[SC] {0} is mislukt {1}:",
            "de": "[SC] {0} FEHLER {1}:",
            "ja": "[SC] {0} FAILED {1}:",
        },
        "net.starting": {
            "en": "The {0} service is starting.",
            "fr": "Le service {0} démarre.",
            "nl": "De {0}-service wordt gestart.",
            "de": "{0} wird gestartet.",
            "ja": "{0} サービスを開始します.",
        },
        "net.started": {
            "en": "The {0} service was started successfully.",
            "fr": "Le service {0} a démarré.",
            "nl": "De {0}-service is gestart.",
            "de": "{0} wurde erfolgreich gestartet.",
            "ja": "{0} サービスは正常に開始されました。",
        },
        "net.stopping": {
            "en": "The {0} service is stopping.",
            "fr": "Le service {0} s’arrête.",
            "nl": "De {0}-service wordt gestopt.",
            "de": "{0} wird beendet.",
            "ja": "{0} サービスを停止中です.",
        },
        "net.stopped": {
            "en": "The {0} service was stopped successfully.",
            "fr": "Le service {0} a été arrêté.",
            "nl": "De {0}-service is gestopt.",
            "de": "{0} wurde erfolgreich beendet.",
            "ja": "{0} サービスは正常に停止されました。",
        },
        "net.running": {
            "en": "The requested service has already been started.",
            "fr": "Le service demandé a déjà été démarré.",
            "nl": "De gevraagde service is al gestart.",
            "de": "Der angeforderte Dienst wurde bereits gestartet.",
            "ja": "要求したサービスは既に開始されています。",
        },
        "net.idle": {
            "en": "The {0} service is not started.",
            "fr": "Le service {0} n’a pas été lancé.",
            "nl": "De {0}-service is niet gestart.",
            "de": "{0} ist nicht gestartet.",
            "ja": "{0} サービスは開始されていません。",
        },
        "net.unknown": {
            "en": "The service name is invalid.",
            "fr": "Le nom de service n’est pas valide.",
            "nl": "De servicenaam is ongeldig.",
            "de": "Der Dienstname ist ungültig.",
            "ja": "サービス名が無効です。",
        },
        "net.help": {
            "en": "More help is available by typing NET HELPMSG {0}.",
            "fr": "Vous obtiendrez une aide supplémentaire en tapant NET HELPMSG {0}.",
            "nl": "Typ NET HELPMSG {0} voor meer hulp.",
            "de": "Sie erhalten weitere Hilfe, wenn Sie NET HELPMSG {0} eingeben.",
            "ja": "NET HELPMSG {0} と入力すると、より詳しい説明が得られます。",
        },
        "net.dependents": {
            "en": "The following services are dependent on the {0} service.\n"
            "Stopping the {0} service will also stop these services.",
            "fr": "Les services suivants dépendent du service {0}.\n"
            "L’arrêt du service {0} arrêtera aussi ces services.",
            "nl": "De volgende services zijn afhankelijk van de {0}-service.\n"
            "Als u deze stopt, worden ook deze services gestopt.",
            "de": "Folgende Dienste hängen vom Dienst {0} ab.\n"
            "Das Beenden des Dienstes beendet auch diese Dienste.",
            "ja": "次のサービスは {0} サービスに依存しています。\n"
            "{0} サービスを停止すると、これらのサービスも停止されます。",
        },
        "net.continue": {
            "en": "Do you want to continue this operation? (Y/N) [N]: ",
            "fr": "Voulez-vous continuer cette opération\xa0? (O/N) [N]\xa0: ",
            "nl": "Wilt u doorgaan met deze bewerking? (J/N) [N]: ",
            "de": "Möchten Sie diesen Vorgang fortsetzen? (J/N) [N]: ",
            "ja": "この操作を続行しますか? (Y/N) [N]: ",
        },
    }
)


class Texts:
    """The messages of one display language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def get(self, name: str, *parts: object) -> str:
        """A message with its parts put in, line ends as on a console."""
        place = LANGUAGES.index(self.language)
        if name.startswith("win."):
            text = ERRORS[int(name[4:])][place]
        elif name in _ROWS:
            text = _ROWS[name][place]
        else:
            text = _TEXTS[name][self.language]
        return text.format(*parts).replace("\n", "\r\n")

    def agreed(self, answer: str) -> bool | None:
        """Whether an answer means yes or no; None when it means nothing."""
        word = answer.strip().lower()
        for name, meaning in (("yes", True), ("no", False)):
            if word and self.get(name).lower().startswith(word):
                return meaning
        return None
