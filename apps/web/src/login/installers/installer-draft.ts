import type { z } from 'zod';
import { createInstallerBody, type Installer } from '@bascule/protocol/api/installers.ts';

/** What the wizard asks for, as it is sent. */
export type InstallerDraft = z.infer<typeof createInstallerBody>;

export const STEPS = ['program', 'place', 'validity', 'check'] as const;
export type Step = (typeof STEPS)[number];

export const VALIDITIES_HOURS = [1, 24, 7 * 24, 30 * 24, 365 * 24] as const;
export const USES_LIMITS = { min: 1, max: 100_000 } as const;
export const TAGS_MAX = 20;
export const TAG_MAX_CHARACTERS = 40;
export const NAME_MAX_CHARACTERS = 64;
export const COMMENT_MAX_CHARACTERS = 500;

/** Where the wizard begins: careful choices, each of which can be changed. */
export const FIRST_DRAFT: InstallerDraft = {
  program: 'jump-client',
  name: '',
  validForHours: 24,
  uses: 10,
  groupId: null,
  approveEach: true,
  mode: 'active',
  tags: [],
  comment: '',
  isGeneric: false,
  version: 'current',
};

const FIELDS: Record<Step, (keyof InstallerDraft)[]> = {
  program: ['program', 'version', 'isGeneric'],
  place: ['groupId', 'tags', 'mode', 'approveEach', 'comment'],
  validity: ['name', 'validForHours', 'uses'],
  check: [],
};

/** The fields of `step` that cannot be sent as they are. */
export function faultsOf(step: Step, draft: InstallerDraft): (keyof InstallerDraft)[] {
  return FIELDS[step].filter((field) => !createInstallerBody.shape[field].safeParse(draft[field]).success);
}

/** The step in which a field that the site refused (`body.name`) is asked for. */
export function stepOfField(field: string | undefined): Step | undefined {
  const name = field?.replace(/^body\./, '').split(/[.[]/)[0];
  return STEPS.find((step) => FIELDS[step].some((known) => known === name));
}

/** Those that the last upgrade made invalid (B120), unless they had ended anyhow. */
export function outdatedOf(installers: readonly Installer[]): Installer[] {
  return installers.filter((installer) => installer.state === 'outdated');
}
