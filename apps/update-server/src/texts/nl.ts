import type { PageTexts } from '../page-texts.ts';

export const nl: PageTexts = {
  product: 'Bascule-updates',
  skip: 'Naar de inhoud',
  navigation: 'Pagina’s',
  linkHome: 'Sleutel inwisselen',
  linkChanges: 'Wijzigingslogboek',
  keyTitle: 'Updates voor een appliance zonder verbinding',
  keyIntroduction:
    'Maak onder /appliance > Updates een downloadsleutel van de appliance en plak hem hier. U krijgt één bestand met precies de pakketten die de appliance mist.',
  keyLabel: 'Downloadsleutel van de appliance',
  keyHint: 'De hele tekst, van BEGIN KEY tot END KEY. Een sleutel is 24 minuten geldig.',
  keySubmit: 'Pakketten tonen',
  commandTitle: 'Vanaf de opdrachtregel',
  commandIntroduction: 'Met de sleutel in het bestand key.txt doet dit hetzelfde in één stap:',
  refused: 'Dit gaat niet:',
  packagesTitle: (appliance) => `Updates voor ${appliance}`,
  packagesIntroduction: (base, site) => `Nu geïnstalleerd: base ${base} en site ${site}.`,
  packagesCaption: 'Ontbrekende pakketten, in de volgorde van installatie',
  columnOrder: 'Volgorde',
  columnPackage: 'Pakket',
  columnVersion: 'Versie',
  columnSize: 'Grootte',
  kinds: { base: 'Base', site: 'Site', licence: 'Licentie' },
  runtime: 'Runtime voor het volgende pakket',
  emergency: 'Noodgeval',
  downloadedOn: (date) => `Eerder gedownload op ${date}`,
  total: 'Totaal',
  waits: 'Geef Jump Clients tussen twee sitepakketten minstens 24 uur om bij te werken. De appliance zegt wanneer.',
  download: 'Updatebestand downloaden',
  keyExpires: (time) => `De sleutel is geldig tot ${time}; een begonnen download gaat door.`,
  nextStep:
    'Breng het bestand naar een computer vanwaar u de appliance bereikt, en kies het onder /appliance > Updates > Handmatige installatie.',
  changesTitle: 'Wijzigingslogboek',
  noChanges: 'Er is nog niets uitgebracht.',
  upgradesClients: 'brengt nieuwe clientprogramma’s mee',
  serverTime: (time) => `Tijd van deze server: ${time}`,
  problems: {
    DOWNLOAD_KEY_MALFORMED:
      'Dit is geen downloadsleutel. Kopieer onder /appliance > Updates de hele tekst, van BEGIN KEY tot END KEY.',
    DOWNLOAD_KEY_SIGNATURE:
      'Deze sleutel is gewijzigd: de handtekening klopt niet. Kopieer onder /appliance > Updates opnieuw de hele sleutel.',
    DOWNLOAD_KEY_USED: 'Deze sleutel is al ingewisseld: hij geldt voor één bestand. Maak op de appliance een nieuwe.',
    DOWNLOAD_KEY_EXPIRED:
      'Deze sleutel is verlopen: hij is 24 minuten geldig. Maak op de appliance een nieuwe; wordt ook die geweigerd, controleer dan de tijd van de appliance.',
    DOWNLOAD_KEY_FROM_THE_FUTURE:
      'Deze sleutel is in de toekomst gedateerd: de klok van de appliance loopt voor. Zet hem goed onder Netwerk > NTP en maak dan een nieuwe sleutel.',
    APPLIANCE_UNKNOWN:
      'Deze updateserver kent de appliance niet: geef de publieke sleutel ervan (/appliance > Updates > Instellingen) aan wie de server beheert, die haar registreert.',
    NOTHING_TO_INSTALL: 'Er valt niets te installeren: deze appliance heeft alles wat haar wordt aangeboden.',
    NOTHING_TO_INSTALL_YET: 'Er valt nog niets te installeren: nieuwere releases zijn voor deze appliance later gepland.',
    NOTHING_TO_INSTALL_NOT_MAINTAINED:
      'Er valt niets te installeren: nieuwere releases verschenen na het einde van het onderhoud van deze appliance. Vraag de beheerder van deze updateserver het te verlengen.',
    REPOSITORY_INCOMPLETE: 'De updateserver mist een bestand. Meld het de beheerder en probeer het later opnieuw.',
    TOO_MANY_REQUESTS: 'Er kwamen te veel verzoeken van uw adres. Wacht even.',
    BODY_TOO_LARGE: 'Dit is te lang voor een downloadsleutel.',
  },
};
