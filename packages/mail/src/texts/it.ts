import type { MailTexts } from '../mail-texts.ts';

const PACKAGE = { base: 'base', site: 'sito', licence: 'licenza' } as const;
const body = (...lines: string[]): string => `${lines.filter((line) => line !== '').join('\n\n')}\n`;
const over = (fromVersion: string | null): string => (fromVersion === null ? '' : ` sopra la ${fromVersion}`);

export const it: MailTexts = {
  installed: (event, sender) => ({
    subject: `${sender}: installato ${PACKAGE[event.package]} ${event.version}`,
    text: body(
      `${sender} ha installato ${PACKAGE[event.package]} ${event.version}${over(event.fromVersion)}. Avviato da ${event.startedBy}.`,
      `Le verifiche fatte dopo l'installazione sono in ${event.page}.`,
    ),
  }),
  'rolled-back': (event, sender) => ({
    subject: `${sender}: ${PACKAGE[event.package]} ${event.version} annullato`,
    text: body(
      `${sender} ha annullato da sé l'installazione di ${PACKAGE[event.package]} ${event.version}; è di nuovo in funzione ${event.fromVersion ?? 'la versione precedente'}. Nessun dato è andato perso.`,
      `Passo: ${event.step}\nCausa: ${event.cause}`,
      event.advice === '' ? '' : `Che cosa fare: ${event.advice}`,
      event.mayRetry ? 'Si può riprovare.' : 'Non riprovare prima di aver eliminato la causa.',
      `Altri dettagli in ${event.page}.`,
    ),
  }),
  failed: (event, sender) => ({
    subject: `${sender}: ${PACKAGE[event.package]} ${event.version} non installato`,
    text: body(
      `L'installazione di ${PACKAGE[event.package]} ${event.version} su ${sender} è terminata prima di cambiare qualcosa.`,
      `Passo: ${event.step}\nCausa: ${event.cause}`,
      event.advice === '' ? '' : `Che cosa fare: ${event.advice}`,
      `Altri dettagli in ${event.page}.`,
    ),
  }),
  'needs-attention': (event, sender) => ({
    subject: `${sender} richiede attenzione`,
    text: body(event.what, event.advice === '' ? '' : `Che cosa fare: ${event.advice}`, `Altri dettagli in ${event.page}.`),
  }),
  'upgrade-ready': (event, sender) => ({
    subject: `È pronto un aggiornamento per ${event.appliance}`,
    text: body(
      `Questi pacchetti sono pronti per l'appliance ${event.appliance}, in quest'ordine:`,
      event.releases
        .map((release) => `- ${PACKAGE[release.package]} ${release.version}${release.isEmergency ? ' (emergenza)' : ''}`)
        .join('\n'),
      `Sull'appliance aprire /appliance > Aggiornamenti e scegliere «Cerca aggiornamenti». Senza collegamento a ${sender}, riscattare una chiave di download dell'appliance su ${event.page}.`,
      `Leggere prima il registro delle modifiche (${new URL('/changes', event.page).href}) e fare un backup.`,
    ),
  }),
  'clients-halted': (event, sender) => ({
    subject: `${sender}: l'aggiornamento dei Jump Client a ${event.version} si è fermato`,
    text: body(
      `${sender} ha fermato l'aggiornamento dei Jump Client a ${event.version} nell'anello ${event.ring}: dei ${event.begun} iniziati, ${event.bad} sono falliti, sono stati annullati o non rispondono. Gli altri mantengono la loro versione e funzionano.`,
      'Che cosa fare: guardare i motivi, rimediare alla causa e scegliere Riprendi.',
      `Altro sotto ${event.page}.`,
    ),
  }),
  'clients-upgraded': (event, sender) => ({
    subject: `${sender}: i Jump Client sono aggiornati a ${event.version}`,
    text: body(
      `${sender} ha concluso l'aggiornamento dei Jump Client a ${event.version}: ${event.current} lo eseguono. Assenti: ${event.absent}; saranno aggiornati al loro ritorno. Falliti: ${event.failed}.`,
      `L'elenco e la prova firmata sono sotto ${event.page}.`,
    ),
  }),
  test: (_event, sender) => ({
    subject: `Messaggio di prova da ${sender}`,
    text: body(`${sender} può inviare e-mail. Non c'è nulla da fare.`),
  }),
};
