/** Releases of the fleet's tests: few, since each takes seconds to build, and those of the same changes are built once in a run. */
import type { Changes } from './test-releases.ts';
import { NEXT } from './upgrade-scene.ts';

/** What this machine cannot do with a faulty release, in the environment of its client. */
export const TEST_FAULT = 'BASCULE_TEST_FAULT';
export type TestFault = 'exits' | 'stays-away' | 'has-no-shell';

type Edits = NonNullable<Changes['edits']>;

const replaced =
  (found: string, by: string) =>
  (text: string): string => {
    if (!text.includes(found)) throw new Error(`the text that a test release changes is not there any more: ${found}`);
    return text.replace(found, by);
  };

/** Waits that people never notice, and tests cannot afford. */
const HURRIED: Edits = {
  'packages/client/src/trial-health.ts': replaced('STAYS_UP_MS = 5000', 'STAYS_UP_MS = 1000'),
  'packages/client/src/site-version-gate.ts': replaced('LOOK_AGAIN_MS = 5 * 60_000', 'LOOK_AGAIN_MS = 2000'),
};

const onTrial = (fault: TestFault) => `process.argv.includes('--trial') && process.env['${TEST_FAULT}'] === '${fault}'`;
const FAULTY: Edits = {
  'apps/jump-client/src/main.ts': replaced(
    'process.exit(await runProgram(',
    `if (${onTrial('exits')}) {\n  process.stderr.write('the cat ate it\\n');\n  process.exit(7);\n}\nprocess.exit(await runProgram(`,
  ),
  'packages/client/src/dial.ts': replaced(
    'const limit = AbortSignal.any([',
    `if (${onTrial('stays-away')}) throw new Error('no way out');\n  const limit = AbortSignal.any([`,
  ),
  'apps/jump-client/src/probe-shell.ts': replaced(
    'const user = readLoginUser();',
    `if (${onTrial('has-no-shell')}) throw new Error('no terminal');\n  const user = readLoginUser();`,
  ),
};

/** What the appliance is brought to first. */
export const FIRST: Changes = NEXT;
/** Its client runs well, but for machines with a fault. */
export const SECOND: Changes = { version: '0.3.0', edits: { ...HURRIED, ...FAULTY } };
/** Its client runs well everywhere. */
export const THIRD: Changes = { version: '0.4.0', edits: HURRIED };
