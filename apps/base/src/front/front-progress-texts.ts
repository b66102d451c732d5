import type { Language } from '@bascule/protocol/api/common.ts';
import type { InstallationStep } from '@bascule/protocol/api/updates.ts';

export interface ProgressTexts {
  title: string;
  wait: string;
  hint: string;
  /** While an installation is under way. */
  upgradeTitle: string;
  upgradeWait: string;
  /** While a backup is being restored. */
  restoreTitle: string;
  restoreWait: string;
  /** Before the name of the step. */
  step: string;
  /** Before the seconds since the installation began. */
  since: string;
  steps: Record<InstallationStep, string>;
}

/** What the page says that people see while the site is away. */
export const progressTexts: Record<Language, ProgressTexts> = {
  en: {
    title: 'One moment',
    wait: 'The site is starting.',
    hint: 'This page reloads by itself. Running sessions go on.',
    upgradeTitle: 'An upgrade is running',
    upgradeWait: 'The site is away for a moment and comes back by itself.',
    restoreTitle: 'A backup is being restored',
    restoreWait: 'The site is away for a moment and comes back by itself, with what was restored.',
    step: 'Step',
    since: 'Seconds since the start',
    steps: {
      download: 'download',
      verify: 'check the signature',
      stage: 'unpack',
      preflight: 'preflight',
      snapshot: 'snapshot',
      candidate: 'start the new version beside the old one',
      health: 'check the new version',
      freeze: 'stop the old version',
      migrate: 'convert the data',
      'take-write': 'take over the data',
      switch: 'switch over',
      drain: 'bring sessions and clients over',
      watch: 'watch the new version',
      commit: 'finish',
    },
  },
  de: {
    title: 'Einen Moment',
    wait: 'Die Site startet gerade.',
    hint: 'Diese Seite lädt sich selbst neu. Laufende Sitzungen gehen weiter.',
    upgradeTitle: 'Ein Upgrade läuft',
    upgradeWait: 'Die Site ist einen Moment nicht da und kommt von selbst wieder.',
    restoreTitle: 'Eine Sicherung wird wiederhergestellt',
    restoreWait: 'Die Site ist einen Moment nicht da und kommt von selbst wieder, mit dem wiederhergestellten Stand.',
    step: 'Schritt',
    since: 'Sekunden seit dem Beginn',
    steps: {
      download: 'herunterladen',
      verify: 'Signatur prüfen',
      stage: 'auspacken',
      preflight: 'Vorprüfung',
      snapshot: 'Momentaufnahme',
      candidate: 'neue Version neben der alten starten',
      health: 'neue Version prüfen',
      freeze: 'alte Version anhalten',
      migrate: 'Daten umstellen',
      'take-write': 'Daten übernehmen',
      switch: 'umschalten',
      drain: 'Sitzungen und Clients herüberholen',
      watch: 'neue Version beobachten',
      commit: 'abschließen',
    },
  },
  nl: {
    title: 'Een ogenblik',
    wait: 'De site wordt gestart.',
    hint: 'Deze pagina vernieuwt zichzelf. Lopende sessies gaan door.',
    upgradeTitle: 'Er loopt een upgrade',
    upgradeWait: 'De site is even weg en komt vanzelf terug.',
    restoreTitle: 'Er wordt een back-up teruggezet',
    restoreWait: 'De site is even weg en komt vanzelf terug, met wat is teruggezet.',
    step: 'Stap',
    since: 'Seconden sinds het begin',
    steps: {
      download: 'downloaden',
      verify: 'handtekening controleren',
      stage: 'uitpakken',
      preflight: 'voorcontrole',
      snapshot: 'momentopname',
      candidate: 'nieuwe versie naast de oude starten',
      health: 'nieuwe versie controleren',
      freeze: 'oude versie stoppen',
      migrate: 'gegevens omzetten',
      'take-write': 'gegevens overnemen',
      switch: 'omschakelen',
      drain: 'sessies en clients overbrengen',
      watch: 'nieuwe versie in de gaten houden',
      commit: 'afronden',
    },
  },
  it: {
    title: 'Un momento',
    wait: 'Il sito si sta avviando.',
    hint: 'Questa pagina si ricarica da sola. Le sessioni in corso continuano.',
    upgradeTitle: 'È in corso un aggiornamento',
    upgradeWait: 'Il sito manca per un momento e torna da solo.',
    restoreTitle: 'È in corso il ripristino di un backup',
    restoreWait: 'Il sito è assente per un momento e torna da solo, con lo stato ripristinato.',
    step: 'Passo',
    since: "Secondi dall'inizio",
    steps: {
      download: 'scaricamento',
      verify: 'verifica della firma',
      stage: 'estrazione',
      preflight: 'controllo preliminare',
      snapshot: 'istantanea',
      candidate: 'avvio della nuova versione accanto alla vecchia',
      health: 'controllo della nuova versione',
      freeze: 'arresto della vecchia versione',
      migrate: 'conversione dei dati',
      'take-write': 'presa in carico dei dati',
      switch: 'passaggio',
      drain: 'trasferimento di sessioni e client',
      watch: 'osservazione della nuova versione',
      commit: 'conclusione',
    },
  },
};
