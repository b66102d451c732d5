import type { PageTexts } from '../page-texts.ts';

export const de: PageTexts = {
  product: 'Bascule-Updates',
  skip: 'Zum Inhalt springen',
  navigation: 'Seiten',
  linkHome: 'Schlüssel einlösen',
  linkChanges: 'Änderungsprotokoll',
  keyTitle: 'Updates für eine Appliance ohne Verbindung',
  keyIntroduction:
    'Erzeugen Sie unter /appliance > Updates einen Download-Schlüssel der Appliance und fügen Sie ihn hier ein. Sie erhalten eine Datei mit genau den Paketen, die der Appliance fehlen.',
  keyLabel: 'Download-Schlüssel der Appliance',
  keyHint: 'Der ganze Text, von BEGIN KEY bis END KEY. Ein Schlüssel gilt 24 Minuten.',
  keySubmit: 'Pakete anzeigen',
  commandTitle: 'Auf der Kommandozeile',
  commandIntroduction: 'Liegt der Schlüssel in der Datei key.txt, geht dasselbe in einem Schritt:',
  refused: 'Das geht nicht:',
  packagesTitle: (appliance) => `Updates für ${appliance}`,
  packagesIntroduction: (base, site) => `Jetzt installiert: Base ${base} und Site ${site}.`,
  packagesCaption: 'Fehlende Pakete in der Reihenfolge der Installation',
  columnOrder: 'Folge',
  columnPackage: 'Paket',
  columnVersion: 'Version',
  columnSize: 'Größe',
  kinds: { base: 'Base', site: 'Site', licence: 'Lizenz' },
  runtime: 'Laufzeitumgebung für das folgende Paket',
  emergency: 'Notfall',
  downloadedOn: (date) => `Schon heruntergeladen am ${date}`,
  total: 'Summe',
  waits: 'Geben Sie den Jump Clients zwischen zwei Site-Paketen mindestens 24 Stunden für ihr Upgrade. Die Appliance sagt, wann.',
  download: 'Update-Datei herunterladen',
  keyExpires: (time) => `Der Schlüssel gilt bis ${time}; ein begonnener Download läuft weiter.`,
  nextStep:
    'Bringen Sie die Datei auf einen Rechner, von dem aus Sie die Appliance erreichen, und wählen Sie sie unter /appliance > Updates > Manuelle Installation.',
  changesTitle: 'Änderungsprotokoll',
  noChanges: 'Es ist noch nichts erschienen.',
  upgradesClients: 'bringt neue Client-Programme mit',
  serverTime: (time) => `Zeit dieses Servers: ${time}`,
  problems: {
    DOWNLOAD_KEY_MALFORMED:
      'Das ist kein Download-Schlüssel. Kopieren Sie unter /appliance > Updates den ganzen Text, von BEGIN KEY bis END KEY.',
    DOWNLOAD_KEY_SIGNATURE:
      'Dieser Schlüssel wurde verändert: seine Signatur passt nicht. Kopieren Sie unter /appliance > Updates noch einmal den ganzen Schlüssel.',
    DOWNLOAD_KEY_USED:
      'Dieser Schlüssel wurde schon eingelöst: er gilt für eine Datei. Erzeugen Sie auf der Appliance einen neuen.',
    DOWNLOAD_KEY_EXPIRED:
      'Dieser Schlüssel ist abgelaufen: er gilt 24 Minuten. Erzeugen Sie auf der Appliance einen neuen; wird auch der abgelehnt, prüfen Sie die Uhrzeit der Appliance.',
    DOWNLOAD_KEY_FROM_THE_FUTURE:
      'Dieser Schlüssel ist in der Zukunft datiert: die Uhr der Appliance geht vor. Stellen Sie sie unter Netzwerk > NTP und erzeugen Sie dann einen neuen Schlüssel.',
    APPLIANCE_UNKNOWN:
      'Dieser Update-Server kennt die Appliance nicht: geben Sie dem Betreiber des Servers ihren öffentlichen Schlüssel (/appliance > Updates > Einstellungen), damit er sie registriert.',
    NOTHING_TO_INSTALL: 'Es gibt nichts zu installieren: diese Appliance hat alles, was für sie angeboten wird.',
    NOTHING_TO_INSTALL_YET:
      'Es gibt noch nichts zu installieren: neuere Releases sind für diese Appliance für später vorgesehen.',
    NOTHING_TO_INSTALL_NOT_MAINTAINED:
      'Es gibt nichts zu installieren: neuere Releases erschienen nach dem Ende der Wartung dieser Appliance. Bitten Sie den Betreiber dieses Update-Servers, sie zu verlängern.',
    REPOSITORY_INCOMPLETE: 'Dem Update-Server fehlt eine Datei. Sagen Sie es dem Betreiber, und versuchen Sie es später wieder.',
    TOO_MANY_REQUESTS: 'Von Ihrer Adresse kamen zu viele Anfragen. Warten Sie einen Augenblick.',
    BODY_TOO_LARGE: 'Das ist zu lang für einen Download-Schlüssel.',
  },
};
