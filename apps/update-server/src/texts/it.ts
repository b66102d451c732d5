import type { PageTexts } from '../page-texts.ts';

export const it: PageTexts = {
  product: 'Aggiornamenti Bascule',
  skip: 'Vai al contenuto',
  navigation: 'Pagine',
  linkHome: 'Riscatta una chiave',
  linkChanges: 'Registro delle modifiche',
  keyTitle: 'Aggiornamenti per un’appliance senza collegamento',
  keyIntroduction:
    'Creare una chiave di download in /appliance > Aggiornamenti e incollarla qui. Si ottiene un solo file con esattamente i pacchetti che mancano all’appliance.',
  keyLabel: 'Chiave di download dell’appliance',
  keyHint: 'Tutto il testo, da BEGIN KEY a END KEY. Una chiave vale 24 minuti.',
  keySubmit: 'Mostra i pacchetti',
  commandTitle: 'Dalla riga di comando',
  commandIntroduction: 'Con la chiave nel file key.txt, questo fa lo stesso in un solo passo:',
  refused: 'Non è possibile:',
  packagesTitle: (appliance) => `Aggiornamenti per ${appliance}`,
  packagesIntroduction: (base, site) => `Installati ora: base ${base} e sito ${site}.`,
  packagesCaption: 'Pacchetti mancanti, nell’ordine di installazione',
  columnOrder: 'Ordine',
  columnPackage: 'Pacchetto',
  columnVersion: 'Versione',
  columnSize: 'Dimensione',
  kinds: { base: 'Base', site: 'Sito', licence: 'Licenza' },
  runtime: 'Ambiente di esecuzione per il pacchetto che segue',
  emergency: 'Emergenza',
  downloadedOn: (date) => `Già scaricato il ${date}`,
  total: 'Totale',
  waits: 'Tra due pacchetti del sito, lasciare ai Jump Client almeno 24 ore per aggiornarsi. L’appliance dice quando.',
  download: 'Scarica il file di aggiornamento',
  keyExpires: (time) => `La chiave vale fino al ${time}; un download iniziato prosegue.`,
  nextStep:
    'Portare il file su una macchina da cui si raggiunge l’appliance e sceglierlo in /appliance > Aggiornamenti > Installazione manuale.',
  changesTitle: 'Registro delle modifiche',
  noChanges: 'Non è ancora stato pubblicato nulla.',
  upgradesClients: 'porta nuovi programmi client',
  serverTime: (time) => `Ora di questo server: ${time}`,
  problems: {
    DOWNLOAD_KEY_MALFORMED:
      'Questa non è una chiave di download. Copiare da /appliance > Aggiornamenti tutto il testo, da BEGIN KEY a END KEY.',
    DOWNLOAD_KEY_SIGNATURE:
      'Questa chiave è stata alterata: la firma non corrisponde. Copiare di nuovo tutta la chiave da /appliance > Aggiornamenti.',
    DOWNLOAD_KEY_USED: 'Questa chiave è già stata riscattata: vale per un file. Crearne una nuova sull’appliance.',
    DOWNLOAD_KEY_EXPIRED:
      'Questa chiave è scaduta: vale 24 minuti. Crearne una nuova sull’appliance; se anche quella è rifiutata, controllare l’ora dell’appliance.',
    DOWNLOAD_KEY_FROM_THE_FUTURE:
      'Questa chiave ha una data futura: l’orologio dell’appliance è avanti. Regolarlo in Rete > NTP, poi creare una nuova chiave.',
    APPLIANCE_UNKNOWN:
      'Questo server di aggiornamento non conosce l’appliance: dare la sua chiave pubblica (/appliance > Aggiornamenti > Impostazioni) a chi gestisce il server, che la registrerà.',
    NOTHING_TO_INSTALL: 'Non c’è nulla da installare: questa appliance ha tutto ciò che le viene offerto.',
    NOTHING_TO_INSTALL_YET:
      'Non c’è ancora nulla da installare: le versioni più nuove sono previste più tardi per questa appliance.',
    NOTHING_TO_INSTALL_NOT_MAINTAINED:
      'Non c’è nulla da installare: le versioni più nuove sono uscite dopo la fine della manutenzione di questa appliance. Chiedere a chi gestisce questo server di rinnovarla.',
    REPOSITORY_INCOMPLETE: 'Al server di aggiornamento manca un file. Avvisare chi lo gestisce e riprovare più tardi.',
    TOO_MANY_REQUESTS: 'Dal vostro indirizzo sono arrivate troppe richieste. Attendere un momento.',
    BODY_TOO_LARGE: 'È troppo lungo per una chiave di download.',
  },
};
