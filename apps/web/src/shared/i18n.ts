import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';
import { LANGUAGES, type Language } from '@bascule/protocol/api/common.ts';

export type Namespace =
  | 'shared'
  | 'login'
  | 'appliance'
  | 'updates'
  | 'mail'
  | 'console'
  | 'player'
  | 'fleet'
  | 'installers'
  | 'trust'
  | 'failover'
  | 'plans'
  | 'network'
  | 'certificates'
  | 'health'
  | 'storage'
  | 'syslog'
  | 'support'
  | 'reset'
  | 'backup'
  | 'vault'
  | 'file-store'
  | 'licences'
  | 'move'
  | 'restore'
  | 'security'
  | 'errors';
/** Each language by its own name. */
export const LANGUAGE_NAMES: Record<Language, string> = { en: 'English', de: 'Deutsch', nl: 'Nederlands', it: 'Italiano' };

const REMEMBERED_LANGUAGE = 'bascule-language';
const resourceFiles = import.meta.glob<Record<string, unknown>>('../i18n/*/*.json', { import: 'default' });

/** The language before anybody is logged in: the one last used here, else the first the browser asks for that we have, else English. */
export function browserLanguage(): Language {
  const wanted = [readRememberedLanguage(), ...navigator.languages].map((tag) => tag.slice(0, 2).toLowerCase());
  return wanted.map((tag) => LANGUAGES.find((known) => known === tag)).find((found) => found !== undefined) ?? 'en';
}

/** Prepares `t` for `namespaces` ('errors' and 'shared' come with all) in the browser's language. Await before rendering. */
export async function startI18n(namespaces: Namespace[]): Promise<void> {
  const all: Namespace[] = ['shared', 'errors', ...namespaces];
  await i18next.use(initReactI18next).init({
    fallbackLng: 'en',
    ns: all,
    defaultNS: 'shared',
    resources: {},
    interpolation: { escapeValue: false },
    react: { useSuspense: false },
  });
  await switchLanguage(browserLanguage());
}

/** Switches every text to `language`, loading it first, and remembers it for the login page. */
export async function switchLanguage(language: Language): Promise<void> {
  const namespaces = (i18next.options.ns ?? []) as Namespace[];
  await Promise.all(namespaces.map((namespace) => load(language, namespace)));
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
  localStorage.setItem(REMEMBERED_LANGUAGE, language);
}

/** Loads a namespace that a page brings along only when it is opened. */
export async function loadNamespace(namespace: Namespace): Promise<void> {
  await load(i18next.language as Language, namespace);
}

async function load(language: Language, namespace: Namespace): Promise<void> {
  if (i18next.hasResourceBundle(language, namespace)) return;
  const file = resourceFiles[`../i18n/${language}/${namespace}.json`];
  if (file === undefined) throw new Error(`bug: no texts for ${language}/${namespace}`);
  i18next.addResourceBundle(language, namespace, await file());
}

function readRememberedLanguage(): string {
  return localStorage.getItem(REMEMBERED_LANGUAGE) ?? '';
}
