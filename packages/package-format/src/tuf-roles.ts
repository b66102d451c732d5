/** The roles of an update repository as data: what is in them, and whose keys they need (package-format 3). */
import { AppError } from '@bascule/errors/app-error.ts';
import { DELEGATED_ROLES, type TufRole } from './tuf-keys.ts';
import type { RoleBodies, RootBody, Signature, SignedBody, TargetsBody } from './tuf-repository.ts';

const SPEC_VERSION = '1.0.31';

export interface RoleKeys {
  keyids: string[];
  threshold: number;
}

/** The roles of a new repository: version 0, without keys. */
export function emptyBodies(): RoleBodies {
  const common = { spec_version: SPEC_VERSION, version: 0, expires: instant(0) };
  const keys = () => ({ keyids: [], threshold: 1 });
  const targets = (): TargetsBody => ({ _type: 'targets', ...common, targets: {} });
  return {
    root: {
      _type: 'root',
      ...common,
      consistent_snapshot: true,
      keys: {},
      roles: { root: keys(), targets: keys(), snapshot: keys(), timestamp: keys() },
    },
    targets: {
      ...targets(),
      delegations: {
        keys: {},
        roles: DELEGATED_ROLES.map((name) => ({ name, ...keys(), terminating: true, paths: [`${name}/*`] })),
      },
    },
    snapshot: { _type: 'snapshot', ...common, meta: {} },
    timestamp: { _type: 'timestamp', ...common, meta: { 'snapshot.json': { version: 0, length: 0, hashes: {} } } },
    base: targets(),
    site: targets(),
    licence: targets(),
    client: targets(),
    runtime: targets(),
  };
}

/** Whether root holds the keys of the role; else targets does. */
export function isTopLevel(role: TufRole): role is 'root' | 'targets' | 'snapshot' | 'timestamp' {
  return role === 'root' || role === 'targets' || role === 'snapshot' || role === 'timestamp';
}

/** The keys and roles among which those of `role` are. */
export function delegatorOf(bodies: RoleBodies, role: TufRole): { keys: RootBody['keys']; roles: RoleKeys[] } {
  if (isTopLevel(role)) return { keys: bodies.root.keys, roles: Object.values(bodies.root.roles) };
  return bodies.targets.delegations ?? { keys: {}, roles: [] };
}

/** Key ids and threshold of a role. Throws `TUF_REPOSITORY_DAMAGED`. */
export function rolesKeysIn(bodies: RoleBodies, role: TufRole): RoleKeys {
  const found = isTopLevel(role) ? bodies.root.roles[role] : bodies.targets.delegations?.roles.find(({ name }) => name === role);
  if (found) return found;
  throw new AppError('internal', 'TUF_REPOSITORY_DAMAGED', `targets.json does not delegate to the role ${role}.`);
}

/** Takes out public keys that no role has any more. */
export function dropUnusedKeys({ keys, roles }: { keys: RootBody['keys']; roles: RoleKeys[] }): void {
  const used = new Set(roles.flatMap(({ keyids }) => keyids));
  for (const keyid of Object.keys(keys)) if (!used.has(keyid)) delete keys[keyid];
}

/** How many of `signatures` are by keys of `keyids`. */
export function countOf(signatures: Signature[], keyids: string[]): number {
  return signatures.filter(({ keyid }) => keyids.includes(keyid)).length;
}

/** A metadata file. */
export function envelopeOf(signed: SignedBody, signatures: Signature[]): Buffer {
  return Buffer.from(`${JSON.stringify({ signatures, signed }, null, 1)}\n`);
}

/** TUF has no fractions of seconds. */
export function instant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
