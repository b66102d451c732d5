import type { Language } from '@bascule/protocol/api/common.ts';
import type { PackageKind } from '@bascule/protocol/package-manifest.ts';
import { de } from './texts/de.ts';
import { en } from './texts/en.ts';
import { it } from './texts/it.ts';
import { nl } from './texts/nl.ts';

/** What the pages say in one language. */
export interface PageTexts {
  product: string;
  skip: string;
  navigation: string;
  linkHome: string;
  linkChanges: string;
  keyTitle: string;
  keyIntroduction: string;
  keyLabel: string;
  keyHint: string;
  keySubmit: string;
  commandTitle: string;
  commandIntroduction: string;
  refused: string;
  packagesTitle(appliance: string): string;
  packagesIntroduction(base: string, site: string): string;
  packagesCaption: string;
  columnOrder: string;
  columnPackage: string;
  columnVersion: string;
  columnSize: string;
  kinds: Record<PackageKind, string>;
  runtime: string;
  emergency: string;
  downloadedOn(date: string): string;
  total: string;
  waits: string;
  download: string;
  keyExpires(time: string): string;
  nextStep: string;
  changesTitle: string;
  noChanges: string;
  upgradesClients: string;
  serverTime(time: string): string;
  /** By error code; English comes with the error. */
  problems: Record<string, string>;
}

export const PAGE_TEXTS: Record<Language, PageTexts> = { en, de, nl, it };
