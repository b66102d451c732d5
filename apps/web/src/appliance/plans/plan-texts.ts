import i18next, { type TFunction } from 'i18next';
import type { PlanStep, PlansState } from '@bascule/protocol/api/plans.ts';

type Note = PlanStep['notes'][number];

/** What a step does, with the version or the name it is about: `Install base 0.2.0`. */
export function stepText(t: TFunction, { kind, params }: PlanStep): string {
  return t(`plans:step.${kind}`, params);
}

/** What was found, or went wrong, in the person's language; by its code, else as the appliance wrote it. */
export function noteText({ code, text, params }: Note): string {
  return translated(`plans:note.${code}`, params) ?? text;
}

/** Why a kind of plan cannot be made now. */
export function unavailableText(reason: NonNullable<PlansState['unavailable']['single']>): string {
  return translated(`plans:unavailable.${reason.code}`, reason.params) ?? reason.text;
}

/** The text with its values; undefined when there is none, or when a value for it is missing (another version of base may give others). */
function translated(key: string, params: Note['params']): string | undefined {
  if (!i18next.exists(key, params)) return undefined;
  const text = i18next.t(key, params);
  return text.includes('{{') ? undefined : text;
}
