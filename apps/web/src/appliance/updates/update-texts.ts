import i18next, { type TFunction } from 'i18next';
import type {
  Installation,
  InstallationStep,
  Offer,
  PathStep,
  PreflightLine,
  VerificationLine,
} from '@bascule/protocol/api/updates.ts';
import type { PackageKind, PackageManifest } from '@bascule/protocol/package-manifest.ts';
import { formatMinute } from '../../shared/format.ts';
import { isForward } from './updates-model.ts';

/** `Site 0.2.0`. */
export function packageName(t: TFunction, kind: PackageKind, version: string): string {
  return `${t(`appliance:packages.kinds.${kind}`)} ${version}`;
}

/** Notes in the person's language, else in English. */
export function notesOf(notes: PackageManifest['notes']): string {
  const language = i18next.language;
  return (language === 'de' || language === 'nl' || language === 'it' ? notes[language] : undefined) ?? notes.en;
}

/** Why an offer is blocked, one sentence each. */
export function blockedTexts(t: TFunction, offer: Offer): string[] {
  return offer.blockedBy.map((reason) => {
    const name = reason.kind === null ? '' : t(`appliance:packages.kinds.${reason.kind}`);
    switch (reason.reason) {
      case 'requires':
      case 'installs-over':
        return reason.version === null
          ? t('updates:blocked.needs', { name, range: reason.range ?? '' })
          : t('updates:blocked.first', { name, version: reason.version });
      case 'not-yet-offered':
        return reason.atMs === null ? t('updates:blocked.notYet') : t('updates:blocked.from', { at: formatMinute(reason.atMs) });
      case 'not-maintained':
        return reason.atMs === null
          ? t('updates:blocked.notMaintained')
          : t('updates:blocked.maintainedUntil', { at: formatMinute(reason.atMs) });
    }
  });
}

/** One line of the upgrade path. */
export function pathText(t: TFunction, step: PathStep): string {
  const name = step.kind === null || step.version === null ? '' : packageName(t, step.kind, step.version);
  return t(`updates:path.${step.action}`, { name });
}

/** A preflight line in the person's language, else as the appliance wrote it (English, with more detail than a translation has). */
export function preflightText(line: PreflightLine): { text: string; advice: string } {
  const sessions = line.params['sessions'];
  // Counted things have a singular in every language, English too.
  if (line.code === 'sessions' && typeof sessions === 'number') {
    const outcome = sessions === 0 ? 'none' : line.outcome;
    const text = translated(`updates:preflight.sessions.${outcome}`, { ...line.params, count: sessions });
    return { text: text ?? line.text, advice: line.advice };
  }
  if (i18next.language === 'en') return line;
  return {
    text: translated(`updates:preflight.${line.code}.${line.outcome}`, line.params) ?? line.text,
    advice: translated(`updates:preflightAdvice.${line.code}.${line.outcome}`, line.params) ?? line.advice,
  };
}

/** The text with its values; undefined when there is none, or when a value for it is missing (another version of base may give others). */
function translated(key: string, params: PreflightLine['params']): string | undefined {
  if (!i18next.exists(key, params)) return undefined;
  const text = i18next.t(key, params);
  return text.includes('{{') ? undefined : text;
}

/** What a line of the verification list looks at, and what was found; details are English, so in other languages only faults show them. */
export function verificationText(line: VerificationLine): { name: string; found: string } {
  const key = `updates:verificationName.${line.code}`;
  const name = i18next.exists(key) ? i18next.t(key) : line.code;
  const isShown = i18next.language === 'en' || line.state === 'failed' || line.state === 'skipped';
  return { name, found: isShown ? line.text : '' };
}

type Cause = NonNullable<Installation['cause']>;

/**
 * Why something ended otherwise than wanted, and what to do. The appliance's English sentences name addresses and numbers, so in English
 * they are what is shown; in other languages they stand behind the sentence that its code has.
 */
export function causeTexts(cause: Pick<Cause, 'code' | 'message' | 'advice'>): { message: string; advice: string } {
  const key = `updates:cause.${cause.code}`;
  if (i18next.language === 'en' || !i18next.exists(key)) return { message: cause.message, advice: cause.advice };
  return { message: `${i18next.t(key)} (${cause.message})`, advice: cause.advice };
}

/** What a step is called; where nothing new comes in, no step speaks of a new version. */
export function stepText(t: TFunction, step: InstallationStep, operation: Installation['operation']): string {
  const isOther = operation === 'roll-back' && (step === 'candidate' || step === 'health');
  return isOther ? t(`updates:stepBack.${step}`) : t(`updates:step.${step}`);
}

/** What a step does, in a few words. */
export function stepNote(t: TFunction, step: InstallationStep, operation: Installation['operation']): string {
  const isOther = operation === 'roll-back' && (step === 'switch' || step === 'commit');
  return isOther ? t(`updates:stepNoteBack.${step}`) : t(`updates:stepNote.${step}`);
}

type Operation = Pick<Installation, 'operation' | 'kind' | 'fromVersion' | 'toVersion'>;

/** What an installation does, with its package: `Installing Site 0.2.0`. */
export function operationText(t: TFunction, installation: Operation): string {
  return t(`updates:operation.${isForward(installation) ? 'change' : installation.operation}`, {
    name: packageName(t, installation.kind, installation.toVersion),
  });
}
