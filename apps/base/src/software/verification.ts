/** What is looked at after each installation (B215). It changes nothing: what it finds is for people. */
import { accessSync, constants } from 'node:fs';
import { AppError } from '@bascule/errors/app-error.ts';
import type { Installation, VerificationLine } from '@bascule/protocol/api/updates.ts';
import type { EngineOptions } from './engine-contract.ts';
import type { JournalDetails } from './journal.ts';
import { pageAnswers } from './own-page.ts';
import { clientsOnline } from './watch.ts';

export interface VerificationParts {
  host: EngineOptions['host'];
  paths: EngineOptions['paths'];
  ownUrl: string;
  /** The version of the kind that is in use now. */
  versionOf(kind: Installation['kind']): string | undefined;
}

type Found = Pick<VerificationLine, 'state' | 'text'> & { params?: VerificationLine['params'] };
type Check = (parts: VerificationParts, installation: Installation, details: JournalDetails) => Promise<Found>;

const CHECKS: Record<string, Check> = {
  version: async (parts, { kind, toVersion }) => {
    const version = parts.versionOf(kind) ?? 'none';
    return {
      state: version === toVersion ? 'passed' : 'failed',
      text:
        version === toVersion ? `${kind} ${version} is in use` : `${kind} ${version} is in use, but ${toVersion} was installed`,
      params: { kind, version, expected: toVersion },
    };
  },
  programs: async ({ host }) => ({
    state: host.ready ? 'passed' : 'failed',
    text: host.ready ? 'base, site and relay work' : `The site does not work: ${host.failure ?? 'it starts again'}`,
  }),
  pages: async ({ ownUrl }) => {
    const paths = ['/login', '/appliance'];
    const answers = await Promise.all(paths.map((path) => pageAnswers(`${ownUrl}${path}`)));
    const missing = paths.filter((_, index) => answers[index] !== true).join(', ');
    return missing === ''
      ? { state: 'passed', text: `The pages ${paths.join(' and ')} come` }
      : { state: 'failed', text: `These pages do not come: ${missing}`, params: { missing } };
  },
  database: async ({ host }): Promise<Found> => {
    const { integrityProblems, databaseBytes } = await host.sitePreflight();
    return integrityProblems.length === 0
      ? { state: 'passed', text: 'The database is whole and has the schema of this version', params: { bytes: databaseBytes } }
      : {
          state: 'failed',
          text: `The database has problems: ${integrityProblems.slice(0, 3).join('; ')}`,
          params: { problems: integrityProblems.length },
        };
  },
  recordings: async ({ paths }) => {
    accessSync(paths.site.recordings, constants.R_OK | constants.W_OK);
    return { state: 'passed', text: 'The folder of recordings can be written' };
  },
  clients: async ({ host }, _, { clientsBefore }) => {
    const online = await clientsOnline(host);
    if (online === undefined) return { state: 'failed', text: 'The site does not say which clients are online' };
    if (clientsBefore === null || clientsBefore === 0)
      return {
        state: online === 0 ? 'skipped' : 'passed',
        text: `Online: ${online}`,
        params: { online, before: online },
      };
    return {
      state: online >= clientsBefore ? 'passed' : 'failed',
      text: `Online: ${online}; before: ${clientsBefore}`,
      params: { online, before: clientsBefore },
    };
  },
  'test-session': async ({ host }) => {
    const { outcome, item, session, ms, error } = await host.testSession();
    if (outcome === 'no-client') return { state: 'skipped', text: 'No client is online for a test session' };
    const params = { item: item ?? '', session: session ?? '', ms: ms ?? 0 };
    return outcome === 'passed'
      ? { state: 'passed', text: `A test session with ${item ?? 'a client'} worked and was recorded (${ms ?? 0} ms)`, params }
      : { state: 'failed', text: `The test session failed: ${error ?? 'no reason was given'}`, params };
  },
};

/** Codes of the lines for a kind of package. */
function codesFor(kind: Installation['kind']): string[] {
  return kind === 'licence' ? ['programs', 'pages'] : Object.keys(CHECKS);
}

/** The list before anything was looked at. */
export function waitingVerification(kind: Installation['kind']): VerificationLine[] {
  return codesFor(kind).map((code) => ({ code, state: 'waiting', text: '', params: {} }));
}

/** Looks at everything, one after the other; `onChange` gets the list as it fills. */
export async function runVerification(
  parts: VerificationParts,
  installation: Installation,
  details: JournalDetails,
  onChange: (lines: VerificationLine[]) => void,
): Promise<VerificationLine[]> {
  const lines = waitingVerification(installation.kind);
  for (const line of lines) {
    line.state = 'running';
    onChange(lines);
    try {
      const found = await (CHECKS[line.code] as Check)(parts, installation, details);
      Object.assign(line, found);
    } catch (error) {
      const reason = error instanceof AppError || error instanceof Error ? error.message : String(error);
      Object.assign(line, { state: 'failed', text: reason });
    }
    onChange(lines);
  }
  return lines;
}
