import type { MailTexts } from '../mail-texts.ts';

const PACKAGE = { base: 'base', site: 'site', licence: 'licentie' } as const;
const body = (...lines: string[]): string => `${lines.filter((line) => line !== '').join('\n\n')}\n`;
const over = (fromVersion: string | null): string => (fromVersion === null ? '' : ` over ${fromVersion} heen`);

export const nl: MailTexts = {
  installed: (event, sender) => ({
    subject: `${sender}: ${PACKAGE[event.package]} ${event.version} is geïnstalleerd`,
    text: body(
      `${sender} heeft ${PACKAGE[event.package]} ${event.version}${over(event.fromVersion)} geïnstalleerd. Gestart door ${event.startedBy}.`,
      `Wat daarna is gecontroleerd, staat onder ${event.page}.`,
    ),
  }),
  'rolled-back': (event, sender) => ({
    subject: `${sender}: ${PACKAGE[event.package]} ${event.version} is teruggedraaid`,
    text: body(
      `${sender} heeft de installatie van ${PACKAGE[event.package]} ${event.version} zelf teruggedraaid; ${event.fromVersion ?? 'de vorige versie'} draait weer. Er zijn geen gegevens verloren.`,
      `Stap: ${event.step}\nOorzaak: ${event.cause}`,
      event.advice === '' ? '' : `Wat te doen: ${event.advice}`,
      event.mayRetry ? 'Een nieuwe poging is mogelijk.' : 'Probeer het pas opnieuw als de oorzaak is verholpen.',
      `Meer onder ${event.page}.`,
    ),
  }),
  failed: (event, sender) => ({
    subject: `${sender}: ${PACKAGE[event.package]} ${event.version} is niet geïnstalleerd`,
    text: body(
      `De installatie van ${PACKAGE[event.package]} ${event.version} op ${sender} is gestopt voordat er iets was gewijzigd.`,
      `Stap: ${event.step}\nOorzaak: ${event.cause}`,
      event.advice === '' ? '' : `Wat te doen: ${event.advice}`,
      `Meer onder ${event.page}.`,
    ),
  }),
  'needs-attention': (event, sender) => ({
    subject: `${sender} vraagt aandacht`,
    text: body(event.what, event.advice === '' ? '' : `Wat te doen: ${event.advice}`, `Meer onder ${event.page}.`),
  }),
  'upgrade-ready': (event, sender) => ({
    subject: `Er staat een upgrade klaar voor ${event.appliance}`,
    text: body(
      `Deze pakketten staan klaar voor de appliance ${event.appliance}, in deze volgorde:`,
      event.releases
        .map((release) => `- ${PACKAGE[release.package]} ${release.version}${release.isEmergency ? ' (noodgeval)' : ''}`)
        .join('\n'),
      `Open op de appliance /appliance > Updates en kies ‘Op updates controleren’. Zonder verbinding met ${sender} wisselt u een downloadsleutel van de appliance in op ${event.page}.`,
      `Lees eerst het wijzigingslogboek (${new URL('/changes', event.page).href}) en maak een back-up.`,
    ),
  }),
  'clients-halted': (event, sender) => ({
    subject: `${sender}: de upgrade van Jump Clients naar ${event.version} is stopgezet`,
    text: body(
      `${sender} is gestopt met het upgraden van Jump Clients naar ${event.version}, in de ring ${event.ring}: van de ${event.begun} waarmee is begonnen, zijn er ${event.bad} mislukt, teruggedraaid of stil. De andere houden hun versie en werken door.`,
      'Wat te doen: bekijk de redenen, herstel de oorzaak en kies Hervatten.',
      `Meer onder ${event.page}.`,
    ),
  }),
  'clients-upgraded': (event, sender) => ({
    subject: `${sender}: de Jump Clients zijn bijgewerkt naar ${event.version}`,
    text: body(
      `${sender} heeft de upgrade van de Jump Clients naar ${event.version} voltooid: ${event.current} draaien deze versie. Afwezig: ${event.absent}; die worden bijgewerkt zodra ze terug zijn. Mislukt: ${event.failed}.`,
      `De lijst en het ondertekende bewijs staan onder ${event.page}.`,
    ),
  }),
  test: (_event, sender) => ({
    subject: `Testmail van ${sender}`,
    text: body(`${sender} kan e-mail versturen. U hoeft niets te doen.`),
  }),
};
