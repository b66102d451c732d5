/** Whether a repository holds what its keys signed (package-format 3.8): looked at before any of it is signed anew. */
import { Metadata, MetadataKind, type Root, type Targets } from '@tufjs/models';
import { AppError } from '@bascule/errors/app-error.ts';
import { DELEGATED_ROLES } from './tuf-keys.ts';
import type { TufRepository } from './tuf-repository.ts';

/**
 * Checks the roots one after the other, `targets` and the delegated roles; each against what names its keys, or against the version before that, whose keys hold
 * until the new ones have signed. Without it whoever can write into a repository could have a target or a key signed by the next who publishes. Snapshot and
 * timestamp are made of the others. Throws `TUF_REPOSITORY_ALTERED`.
 */
export async function checkSigned(repository: TufRepository): Promise<void> {
  const chain = new Chain(repository);
  const newestRoot = await repository.newestVersion('root');
  let before: Metadata<Root> | undefined;
  let root: Metadata<Root> | undefined;
  for (let version = 1; version <= newestRoot; version++) {
    const next = await chain.read<Root>(`${version}.root.json`, MetadataKind.Root);
    // Copies may lack old roots.
    if (next === undefined) continue;
    before = root;
    root = next;
    chain.check(`${version}.root.json`, 'root', root, [root]);
    if (before?.signed.version === version - 1) chain.check(`${version}.root.json`, 'root', root, [before]);
  }
  if (root === undefined) return;
  const version = await repository.newestVersion('targets');
  const targets = await chain.read<Targets>(`${version}.targets.json`, MetadataKind.Targets);
  if (targets === undefined) return;
  chain.check(`${version}.targets.json`, 'targets', targets, [root, before]);
  const earlier = await chain.read<Targets>(`${version - 1}.targets.json`, MetadataKind.Targets);
  for (const role of DELEGATED_ROLES) {
    const name = `${await repository.newestVersion(role)}.${role}.json`;
    const delegated = await chain.read<Targets>(name, MetadataKind.Targets);
    if (delegated !== undefined) chain.check(name, role, delegated, [targets, earlier]);
  }
}

class Chain {
  readonly #repository: TufRepository;

  constructor(repository: TufRepository) {
    this.#repository = repository;
  }

  async read<T extends Root | Targets>(name: string, kind: MetadataKind): Promise<Metadata<T> | undefined> {
    const bytes = await this.#repository.metadataFile(name);
    if (bytes === undefined) return undefined;
    try {
      return Metadata.fromJSON(kind as MetadataKind.Root, JSON.parse(bytes.toString('utf8')) as never) as unknown as Metadata<T>;
    } catch (error) {
      throw this.#altered(name, error);
    }
  }

  /** Throws unless one of `delegators` has the keys that signed `metadata`. */
  check(
    name: string,
    role: string,
    metadata: Metadata<Root> | Metadata<Targets>,
    delegators: (Metadata<Root> | Metadata<Targets> | undefined)[],
  ): void {
    let reason: unknown;
    for (const delegator of delegators) {
      try {
        delegator?.verifyDelegate(role, metadata);
        if (delegator !== undefined) return;
      } catch (error) {
        reason = error;
      }
    }
    throw this.#altered(name, reason);
  }

  #altered(name: string, cause: unknown): AppError {
    return new AppError(
      'invalid',
      'TUF_REPOSITORY_ALTERED',
      `${name} in ${this.#repository.directory} is not what its keys signed: it was altered. Nothing is signed. Find out by whom, and copy it from a mirror.`,
      { cause },
    );
  }
}
