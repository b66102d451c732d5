import type { MailTexts } from '../mail-texts.ts';

const PACKAGE = { base: 'Base', site: 'Site', licence: 'Lizenz' } as const;
const body = (...lines: string[]): string => `${lines.filter((line) => line !== '').join('\n\n')}\n`;
const over = (fromVersion: string | null): string => (fromVersion === null ? '' : ` über ${fromVersion}`);

export const de: MailTexts = {
  installed: (event, sender) => ({
    subject: `${sender}: ${PACKAGE[event.package]} ${event.version} ist installiert`,
    text: body(
      `${sender} hat ${PACKAGE[event.package]} ${event.version}${over(event.fromVersion)} installiert. Begonnen hat es ${event.startedBy}.`,
      `Was danach geprüft wurde, steht unter ${event.page}.`,
    ),
  }),
  'rolled-back': (event, sender) => ({
    subject: `${sender}: ${PACKAGE[event.package]} ${event.version} wurde zurückgenommen`,
    text: body(
      `${sender} hat die Installation von ${PACKAGE[event.package]} ${event.version} von selbst zurückgenommen; ${event.fromVersion ?? 'die Version davor'} läuft wieder. Es sind keine Daten verloren.`,
      `Schritt: ${event.step}\nUrsache: ${event.cause}`,
      event.advice === '' ? '' : `Was zu tun ist: ${event.advice}`,
      event.mayRetry ? 'Ein neuer Versuch ist möglich.' : 'Versuchen Sie es erst wieder, wenn die Ursache behoben ist.',
      `Mehr unter ${event.page}.`,
    ),
  }),
  failed: (event, sender) => ({
    subject: `${sender}: ${PACKAGE[event.package]} ${event.version} wurde nicht installiert`,
    text: body(
      `Die Installation von ${PACKAGE[event.package]} ${event.version} auf ${sender} endete, bevor etwas geändert wurde.`,
      `Schritt: ${event.step}\nUrsache: ${event.cause}`,
      event.advice === '' ? '' : `Was zu tun ist: ${event.advice}`,
      `Mehr unter ${event.page}.`,
    ),
  }),
  'needs-attention': (event, sender) => ({
    subject: `${sender} braucht Aufmerksamkeit`,
    text: body(event.what, event.advice === '' ? '' : `Was zu tun ist: ${event.advice}`, `Mehr unter ${event.page}.`),
  }),
  'upgrade-ready': (event, sender) => ({
    subject: `Ein Upgrade für ${event.appliance} ist bereit`,
    text: body(
      `Diese Pakete sind für die Appliance ${event.appliance} bereit, in dieser Reihenfolge:`,
      event.releases
        .map((release) => `- ${PACKAGE[release.package]} ${release.version}${release.isEmergency ? ' (Notfall)' : ''}`)
        .join('\n'),
      `Öffnen Sie auf der Appliance /appliance > Updates und wählen Sie „Nach Updates suchen“. Ohne Verbindung zu ${sender} lösen Sie einen Download-Schlüssel der Appliance unter ${event.page} ein.`,
      `Lesen Sie vorher das Änderungsprotokoll (${new URL('/changes', event.page).href}) und machen Sie ein Backup.`,
    ),
  }),
  'clients-halted': (event, sender) => ({
    subject: `${sender}: Die Aktualisierung der Jump Clients auf ${event.version} wurde angehalten`,
    text: body(
      `${sender} hat die Aktualisierung der Jump Clients auf ${event.version} im Ring ${event.ring} angehalten: Von ${event.begun} begonnenen sind ${event.bad} fehlgeschlagen, zurückgenommen oder ohne Antwort. Die übrigen behalten ihre Version und arbeiten weiter.`,
      'Was zu tun ist: Sehen Sie die Gründe an, beheben Sie die Ursache und wählen Sie Fortsetzen.',
      `Mehr unter ${event.page}.`,
    ),
  }),
  'clients-upgraded': (event, sender) => ({
    subject: `${sender}: Die Jump Clients sind auf ${event.version} aktualisiert`,
    text: body(
      `${sender} hat die Aktualisierung der Jump Clients auf ${event.version} abgeschlossen: ${event.current} laufen damit. Abwesend: ${event.absent}; sie werden aktualisiert, sobald sie zurück sind. Fehlgeschlagen: ${event.failed}.`,
      `Die Liste und der signierte Nachweis stehen unter ${event.page}.`,
    ),
  }),
  test: (_event, sender) => ({
    subject: `Test-Mail von ${sender}`,
    text: body(`${sender} kann E-Mails senden. Es ist nichts zu tun.`),
  }),
};
