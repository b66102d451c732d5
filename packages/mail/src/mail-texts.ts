/** What mails say, by language: one file each in texts/. Causes and advice of the engine come as they are logged, in English. */
import type { Language } from '@bascule/protocol/api/common.ts';
import type { PackageKind } from '@bascule/protocol/package-manifest.ts';
import { de } from './texts/de.ts';
import { en } from './texts/en.ts';
import { it } from './texts/it.ts';
import { nl } from './texts/nl.ts';

interface AboutPackage {
  package: PackageKind;
  version: string;
  fromVersion: string | null;
}

/** What a mail can be about. `page` is the address at which to see more. */
export type MailEvent =
  | ({ kind: 'installed'; startedBy: string; page: string } & AboutPackage)
  /** The old version runs again; nothing was lost. `mayRetry`: another try makes sense as it is. */
  | ({ kind: 'rolled-back'; step: string; cause: string; advice: string; mayRetry: boolean; page: string } & AboutPackage)
  /** It ended before anything was changed. */
  | ({ kind: 'failed'; step: string; cause: string; advice: string; page: string } & AboutPackage)
  /** Something that only a person can decide or mend. */
  | { kind: 'needs-attention'; what: string; advice: string; page: string }
  /** From an update server to an appliance's contact (B42). `releases` in the order of installation. */
  | {
      kind: 'upgrade-ready';
      appliance: string;
      releases: { package: PackageKind; version: string; isEmergency: boolean }[];
      page: string;
    }
  /** The upgrade of the client programs halted by itself: `ring`, and in numbers why. */
  | { kind: 'clients-halted'; version: string; ring: string; bad: number; begun: number; page: string }
  | { kind: 'clients-upgraded'; version: string; current: number; absent: number; failed: number; page: string }
  | { kind: 'test' };

export interface MailText {
  subject: string;
  text: string;
}

/** The texts of one language. `sender`: the name of the appliance or server that writes. */
export type MailTexts = {
  [Kind in MailEvent['kind']]: (event: Extract<MailEvent, { kind: Kind }>, sender: string) => MailText;
};

const TEXTS: Record<Language, MailTexts> = { en, de, nl, it };

/** Subject and text of the mail about `event`. */
export function mailText<Kind extends MailEvent['kind']>(
  event: Extract<MailEvent, { kind: Kind }>,
  language: Language,
  sender: string,
): MailText {
  const texts: MailTexts = TEXTS[language];
  // A union of functions would want the intersection of their events: the kind has chosen the one that fits.
  const write = texts[event.kind as Kind] as (event: Extract<MailEvent, { kind: Kind }>, sender: string) => MailText;
  return write(event, sender);
}
