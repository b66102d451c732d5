/** Keys and who holds them (docs/operator/update-keys.md): made, shown, rotated, revoked; root is signed by its holders, each where their key is. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '@bascule/errors/app-error.ts';
import { TufAuthor, type RootChange } from '@bascule/package-format/tuf-author.ts';
import { createKeyFile, keyIdOf, TUF_ROLES, type TufRole } from '@bascule/package-format/tuf-keys.ts';
import { isOnlineHere, signingKeys, type FoundKey } from './key-folder.ts';
import { ReleaseError } from './release-error.ts';

type Say = (text: string) => void;

export interface Ceremony {
  repository: string;
  /** What is at hand. */
  keys: FoundKey[];
  say: Say;
}

/** Public keys as root and targets metadata name them. */
const named = z.record(z.string(), z.looseObject({ keyval: z.looseObject({ public: z.string().regex(/^[0-9a-f]{64}$/) }) }));
const withKeys = z.object({
  signed: z.looseObject({ keys: named.optional(), delegations: z.looseObject({ keys: named }).optional() }),
});

/** Makes a key for each role that has none in `folder`. */
export async function createKeys(folder: string, roles: readonly TufRole[], say: Say): Promise<void> {
  for (const role of roles) {
    const file = join(folder, `${role}.pem`);
    if (existsSync(file)) say(`${role.padEnd(10)} ${file} was there and stays as it is`);
    else say(`${role.padEnd(10)} ${file}  ${keyIdOf(await createKeyFile(file))}`);
  }
}

/** Makes root's keys, each in a folder of its own with its public part, for the holders to take away. */
export async function createRootKeys(out: string, count: number, threshold: number, say: Say): Promise<void> {
  if (threshold < 1 || threshold > count)
    throw new ReleaseError(`--threshold ${threshold}: of ${count} keys, 1 to ${count} can be necessary.`);
  for (let holder = 1; holder <= count; holder++) {
    const folder = join(out, `holder-${holder}`);
    const key = await createKeyFile(join(folder, `root-${holder}.pem`));
    await writeFile(join(folder, `root-${holder}.pub`), publicPem(key), { mode: 0o644 });
    say(`${folder}  ${keyIdOf(key)}`);
  }
  say(`${threshold} of these ${count} sign root: npm run release -- repository ... --threshold ${threshold}`);
  say('Give each folder to another person, who keeps it offline; a copy of each belongs into a safe.');
}

/** Says which key has which role, in the repository if one is given, and where its private part is. */
export async function showKeys(repository: string | undefined, keys: FoundKey[], say: Say): Promise<void> {
  if (repository === undefined) {
    for (const { role, keyId, file, isPrivate } of keys)
      say(`${role.padEnd(10)} ${keyId}  ${file}${isPrivate ? '' : ' (public part)'}`);
    return;
  }
  const author = await TufAuthor.open({ directory: repository, now: Date.now });
  for (const role of TUF_ROLES) {
    const { keyIds, threshold } = author.roleKeys(role);
    const { version, expiresMs } = author.roleState(role);
    say(
      `${role}: version ${version}, good until ${new Date(expiresMs).toISOString().slice(0, 16)}Z, ${threshold} of ${keyIds.length} must sign`,
    );
    for (const keyId of keyIds)
      say(`  ${keyId}  ${keys.find((key) => key.keyId === keyId && key.isPrivate)?.file ?? 'kept elsewhere'}`);
  }
}

/**
 * Gives a role a new key in `folder`, in the place of `replaced` (of its only key, when it has one). What the old key signed is signed by the new one at once,
 * and the old key is worth nothing as soon as a client has seen the new metadata.
 */
export async function rotateKey(ceremony: Ceremony, role: TufRole, folder: string, replaced: string | undefined): Promise<void> {
  const author = await open(ceremony.repository);
  const { keyIds } = author.roleKeys(role);
  if (replaced === undefined && keyIds.length > 1)
    throw new ReleaseError(
      `${role} has ${keyIds.length} keys. Say which one is replaced: --replace KEYID (keys show lists them).`,
    );
  const kept = await keysWithout(ceremony.repository, author, role, replaced ?? keyIds[0] ?? '');
  const file = freeName(folder, role);
  const key = await createKeyFile(file);
  const found: FoundKey = { file, role, keyId: keyIdOf(key), key, isPrivate: true };
  ceremony.say(`New key of ${role}: ${found.keyId} in ${file}`);
  author.changeKeys(role, [...kept, key]);
  await finish({ ...ceremony, keys: [...ceremony.keys, found] }, author);
}

/** Takes a key away from a role that has others. */
export async function revokeKey(ceremony: Ceremony, role: TufRole, keyId: string): Promise<void> {
  const author = await open(ceremony.repository);
  const { threshold } = author.roleKeys(role);
  const kept = await keysWithout(ceremony.repository, author, role, keyId);
  if (kept.length < threshold)
    throw new ReleaseError(`${role} needs ${threshold} key(s). Replace this one instead: keys rotate ${role} --replace ${keyId}`);
  author.changeKeys(role, kept);
  await finish(ceremony, author);
}

/**
 * Signs the root that waits with the root keys at hand, and publishes it when enough have signed. `confirmed` is the SHA-256 that the holder has compared with what
 * the others say; without it the change is shown and nothing is signed: what waits lay where others could write.
 */
export async function signRoot(ceremony: Ceremony, confirmed: string | undefined): Promise<void> {
  const author = await TufAuthor.open({ directory: ceremony.repository, now: Date.now, withStagedRoot: true });
  if (!author.isRootWaiting) throw new ReleaseError(`No root waits for signatures in ${ceremony.repository}.`);
  const change = author.rootChange();
  if (confirmed !== change.sha256) {
    sayChange(change, ceremony.say);
    if (confirmed === undefined) return;
    throw new ReleaseError('The root that waits is another one than you confirmed. Nothing was signed.');
  }
  const { have, need } = await author.stageRoot(signingKeys(ceremony.keys));
  if (have < need) return sayWaiting(ceremony, author, have, need);
  // What root has just given to other keys is signed by them.
  for (const role of ['targets', 'snapshot', 'timestamp'] as const) {
    const { keyIds } = author.roleKeys(role);
    if (ceremony.keys.some((key) => key.isPrivate && keyIds.includes(key.keyId))) author.renew(role);
  }
  await publish(ceremony, author);
}

/** Gives root, or any role, a new version and a new life. */
export async function renewRole(ceremony: Ceremony, role: TufRole): Promise<void> {
  const author = await open(ceremony.repository);
  author.renew(role);
  await finish(ceremony, author);
}

/** Publishes; when root's holders are not all at hand, the root waits for them, and the rest follows with it. */
async function finish(ceremony: Ceremony, author: TufAuthor): Promise<void> {
  try {
    await publish(ceremony, author);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'TUF_KEYS_MISSING' || error.params?.['role'] !== 'root') throw error;
    const { have, need } = await author.stageRoot(signingKeys(ceremony.keys));
    sayWaiting(ceremony, author, have, need);
  }
}

async function publish({ keys, say }: Ceremony, author: TufAuthor): Promise<void> {
  const isOnline = isOnlineHere(author, keys);
  const files = await author.publish(signingKeys(keys), { offline: !isOnline });
  say(`Published ${files.join(', ')}.`);
  if (!isOnline) say('Snapshot and timestamp are signed where their keys are: npm run release -- refresh there.');
}

function sayWaiting({ repository, say }: Ceremony, author: TufAuthor, have: number, need: number): void {
  say(`The new root has ${have} of ${need} signatures and waits in ${join(repository, 'staged')}. Nothing was published yet.`);
  say('Each holder in turn, who looks at it first and then signs what all have compared:');
  say('  npm run release -- keys sign-root --repository DIR --keys DIR-OF-THE-HOLDER');
  say(`  npm run release -- keys sign-root --repository DIR --keys DIR-OF-THE-HOLDER --root ${author.rootChange().sha256}`);
}

function sayChange({ version, expiresMs, roles, sha256 }: RootChange, say: Say): void {
  say(`Root ${version}, good until ${new Date(expiresMs).toISOString().slice(0, 16)}Z, changes:`);
  for (const { role, threshold, thresholdBefore, added, removed } of roles) {
    if (added.length === 0 && removed.length === 0 && threshold === thresholdBefore) continue;
    say(`  ${role}: ${threshold} must sign${threshold === thresholdBefore ? '' : `, until now ${thresholdBefore}`}`);
    for (const keyId of added) say(`    + ${keyId}`);
    for (const keyId of removed) say(`    - ${keyId}`);
  }
  say(
    'Nothing was signed. Compare these key ids and this number with what the other holders see, by another way than this file came:',
  );
  say(`  --root ${sha256}`);
}

async function open(repository: string): Promise<TufAuthor> {
  const author = await TufAuthor.open({ directory: repository, now: Date.now });
  if (author.isRootWaiting)
    throw new ReleaseError(
      `A root waits for signatures in ${join(repository, 'staged')}: finish it (keys sign-root), or remove it, before keys change again.`,
    );
  return author;
}

/** The public keys that stay. */
async function keysWithout(repository: string, author: TufAuthor, role: TufRole, keyId: string): Promise<KeyObject[]> {
  const { keyIds } = author.roleKeys(role);
  if (!keyIds.includes(keyId))
    throw new ReleaseError(`${role} has no key ${keyId}: keys show --repository ${repository} lists them.`);
  const known = await publicKeys(repository, author);
  return keyIds.filter((other) => other !== keyId).map((other) => known.get(other) ?? unknown(other));
}

async function publicKeys(repository: string, author: TufAuthor): Promise<Map<string, KeyObject>> {
  const found = new Map<string, KeyObject>();
  for (const name of ['root.json', `${author.roleState('targets').version}.targets.json`]) {
    const { signed } = withKeys.parse(JSON.parse(await readFile(join(repository, 'metadata', name), 'utf8')));
    for (const [keyId, { keyval }] of Object.entries({ ...signed.keys, ...signed.delegations?.keys })) {
      const x = Buffer.from(keyval.public, 'hex').toString('base64url');
      found.set(keyId, createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } }));
    }
  }
  return found;
}

function unknown(keyId: string): never {
  throw new ReleaseError(`The key ${keyId} is in a root that waits for signatures: finish that one first (keys sign-root).`);
}

function freeName(folder: string, role: TufRole): string {
  for (let number = 2; ; number++) {
    const file = join(folder, `${role}-${number}.pem`);
    if (!existsSync(file)) return file;
  }
}

function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ format: 'pem', type: 'spki' }).toString();
}
