/** Where a repository with consistent snapshots keeps a target: the hash before the last part of its path (package-format 3.5). */
export function consistentPath(target: string, hash: string): string {
  const cut = target.lastIndexOf('/') + 1;
  return `${target.slice(0, cut)}${hash}.${target.slice(cut)}`;
}
