/**
 * `npm run release -- fixtures VERSION`: what later software must still understand of this one, as text below test/fixtures/releases/VERSION: the schemas of
 * box.db and site.db with the rows of a small real appliance, and one message of every kind that programs of different versions say to each other.
 * test/fixtures/fixtures.test.ts holds every later commit to it.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { packageVersion } from '@bascule/protocol/package-manifest.ts';
import { ApiClient } from '@bascule/testkit/api-client.ts';
import { launchAppliance, type LaunchedAppliance } from '@bascule/testkit/launch-appliance.ts';
import { TestViewer } from '@bascule/testkit/viewer.ts';
import { dumpDatabase } from './fixture-database.ts';
import { CONTRACTS, messagesOf } from './fixture-messages.ts';
import { ReleaseError } from './release-error.ts';

export const RELEASE_FIXTURES = resolve(import.meta.dirname, '..', '..', 'test', 'fixtures', 'releases');
/** Of an appliance that lives for a few seconds, and whose keys are not kept. */
const PASSWORD = 'a password of a fixture';

/** Writes the fixtures of `version` and returns their folder. A release that has fixtures keeps them: throws ReleaseError. */
export async function writeFixtures(version: string): Promise<string> {
  if (!packageVersion.safeParse(version).success) throw new ReleaseError(`VERSION ${version}: must be like 1.2.3.`);
  const folder = join(RELEASE_FIXTURES, version);
  try {
    mkdirSync(RELEASE_FIXTURES, { recursive: true });
    mkdirSync(folder);
  } catch {
    throw new ReleaseError(
      `${folder} is there already, and the fixtures of a release never change. Remove it only if ${version} was not released.`,
    );
  }
  const put = (name: string, text: string): void => writeFileSync(join(folder, name), text, { mode: 0o644 });
  for (const [contract, schemas] of Object.entries(CONTRACTS)) {
    const messages = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, messagesOf(schema)]));
    put(`${contract}.json`, `${JSON.stringify(messages, undefined, 2)}\n`);
  }
  const databases = await sampleDatabases();
  for (const [name, { schema, rows }] of Object.entries(databases)) {
    put(`${name}.schema.sql`, schema);
    put(`${name}.rows.sql`, rows);
  }
  return folder;
}

/** A real appliance with users, a Jump Client, a group, a token and a session that has ended: rows as the software itself writes them. */
async function sampleDatabases(): Promise<Record<'box' | 'site', { schema: string; rows: string }>> {
  const appliance = await launchAppliance();
  try {
    await useIt(appliance);
    await appliance.stop();
    return { box: dumpDatabase(appliance.paths.boxDatabase), site: dumpDatabase(appliance.paths.site.database) };
  } finally {
    await appliance[Symbol.asyncDispose]();
  }
}

async function useIt(appliance: LaunchedAppliance): Promise<void> {
  const box = await ApiClient.pin(appliance.url, '/appliance/api');
  await box.takeOver(appliance.passwords.appliance, PASSWORD);
  await box.call('POST', 'users', z.unknown(), { name: 'second', displayName: 'Second Administrator', role: 'administrator' });
  const api = await ApiClient.pin(appliance.url);
  await api.takeOver(appliance.passwords.login, PASSWORD);
  await api.call('POST', 'users', z.unknown(), { name: 'anna', displayName: 'Anna Muster', role: 'user' });
  await api.call('POST', 'jump/groups', z.unknown(), { name: 'Workshop' });
  const token = { name: 'for the workshop', groupId: null, validForHours: 1, uses: 3, approveEach: true };
  await api.call('POST', 'jump/tokens', z.unknown(), token);
  await appliance.startJumpClient({ name: 'workshop' });
  const session = await api.openSession(await api.onlineItem('workshop'));
  using viewer = new TestViewer(api, session);
  viewer.type('exit\n');
  await api.endedSession(session);
}
