/** Builds one Windows package with wixl, and puts right what wixl cannot write (docs/decisions/0154-a-windows-package-per-release.md). */
import { execFile } from 'node:child_process';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { guidOf, MAIN_COMPONENT, msiSource, type MsiProgram } from './msi-source.ts';

const run = promisify(execFile);
const WIXL_LIMIT_MS = 5 * 60_000;
/** 2026-01-01, as in all archives of ours. */
const TIME_S = 1_767_225_600;
/** Format of the property set stream `SummaryInformation` ([MS-OLEPS] 2.21): its id, and the type of a date. */
const SUMMARY_FORMAT = Buffer.from('e0859ff2f94f6810ab9108002b27b3d9', 'hex');
const DATE_TYPE = 0x40;
/** 100 ns from 1601 to 1970. */
const FILETIME_EPOCH = 116_444_736_000_000_000n;
/** Major, minor and patch of a ProductVersion. */
const VERSION_LIMITS = [255, 255, 65_535];
/**
 * Right after InstallInitialize (1500): what was there goes before anything comes, so that nothing of the former package can take something of this one with it; a failure still brings
 * it back.
 */
const REPLACE_SEQUENCE = 1501;
/** Between DeleteServices (2000) and RemoveFiles (3500). */
const CLEAR_SEQUENCE = 3400;
/** Directories on PATH, which wixl has no element for. `=-*`: for the machine, removed with the component; `[~]`: what is there. */
const ENVIRONMENT_TABLE = [
  'Environment\tName\tValue\tComponent_',
  's72\tl255\tL255\ts72',
  'Environment\tEnvironment',
  `Path\t=-*PATH\t[~];[INSTALLDIR]\t${MAIN_COMPONENT}`,
  '',
].join('\r\n');

/**
 * Builds the package `what` in the empty folder `work`, and gives its bytes. The same input and tools give the same bytes. Rejects with the tools' own words.
 * `isOnPath`: the program folder is to be found by name.
 */
export async function buildMsi(what: MsiProgram, { work, isOnPath }: { work: string; isOnPath: boolean }): Promise<Buffer> {
  const { program, title, version, properties } = what;
  const parts = version.split('.').map(Number);
  if (parts.some((part, index) => part > VERSION_LIMITS[index]!))
    throw new Error(`Windows takes no version beyond ${VERSION_LIMITS.join('.')}: ${version} cannot be a Windows package.`);
  const file = join(work, `${program}.msi`);
  await writeFile(join(work, `${program}.wxs`), msiSource(what));
  // Their times are in the package.
  for (const { source } of what.files) await utimes(join(work, source), TIME_S, TIME_S);
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(TIME_S), TZ: 'UTC' };
  const { stderr } = await run('wixl', ['-a', 'x64', '-o', file, `${program}.wxs`], { cwd: work, env, timeout: WIXL_LIMIT_MS });
  // wixl passes over what it does not know with a warning only.
  if (/WARNING|CRITICAL/.test(stderr)) throw new Error(`wixl left something out: ${stderr.trim()}`);
  const given = new Set([...Object.keys(properties), ...Object.values(what.registry)]);
  const secure = ['WIX_DOWNGRADE_DETECTED', 'WIX_UPGRADE_DETECTED', ...given].join(';');
  await run('msibuild', [file, '-q', `UPDATE Property SET Value = '${secure}' WHERE Property = 'SecureCustomProperties'`], {
    env,
  });
  // wixl has only one place for each: the end.
  const order = (action: string, number: number) =>
    `UPDATE InstallExecuteSequence SET Sequence = ${number} WHERE Action = '${action}'`;
  await run('msibuild', [file, '-q', order('RemoveExistingProducts', REPLACE_SEQUENCE)], { env });
  if (what.service !== null) await run('msibuild', [file, '-q', order('ClearFolder', CLEAR_SEQUENCE)], { env });
  if (isOnPath) {
    await writeFile(join(work, 'Environment.idt'), ENVIRONMENT_TABLE);
    await run('msibuild', [file, '-i', join(work, 'Environment.idt')], { env });
    const sequence = (action: string, number: number) =>
      `INSERT INTO InstallExecuteSequence (Action, Condition, Sequence) VALUES ('${action}', '', ${number})`;
    await run('msibuild', [file, '-q', sequence('RemoveEnvironmentStrings', 3300)], { env });
    await run('msibuild', [file, '-q', sequence('WriteEnvironmentStrings', 5200)], { env });
  }
  await run('msibuild', [file, '-s', title, 'Bascule', 'x64;1033', guidOf('package', program, version)], { env });
  return withFixedDates(await readFile(file));
}

/** The dates of the summary are those of the build: all are set to one. */
function withFixedDates(msi: Buffer): Buffer {
  const at = msi.indexOf(SUMMARY_FORMAT);
  if (at < 0) throw new Error('The package has no summary.');
  const section = at - 28 + msi.readUInt32LE(at + 16);
  const count = msi.readUInt32LE(section + 4);
  for (let index = 0; index < count; index++) {
    const value = section + msi.readUInt32LE(section + 8 + index * 8 + 4);
    if (msi.readUInt32LE(value) === DATE_TYPE) msi.writeBigUInt64LE(BigInt(TIME_S) * 10_000_000n + FILETIME_EPOCH, value + 4);
  }
  return msi;
}
