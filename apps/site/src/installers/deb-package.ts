/** Debian packages made without dpkg (deb(5)): an ar archive of a version, control.tar.gz and data.tar.gz. */
import { sizeOf, tarGzPieces, type Piece, type TarEntry } from './tar-pieces.ts';

const AR_SIZE_LIMIT_BYTES = 9_999_999_999;
/** Folders of every Debian that no package owns: named in a package, they would go with it. Whoever uses one makes it in `preinst`. */
const UNOWNED_FOLDERS = ['opt'];
const TIME_S = 1_767_225_600;

export interface DebControl {
  name: string;
  version: string;
  depends: string;
  /** First line: what it is, in a few words; the others: more, without empty lines. */
  description: readonly string[];
}

/** The scripts that dpkg runs; each is a whole sh script. */
export type MaintainerScripts = Partial<Record<'preinst' | 'postinst' | 'prerm' | 'postrm', string>>;

/**
 * Puts a `.deb` together of `entries` (paths from the root, without a leading `/`; folders above them are added). It has no conffiles, so that no
 * installation ever asks anything.
 */
export async function debPieces(control: DebControl, scripts: MaintainerScripts, entries: readonly TarEntry[]): Promise<Piece[]> {
  const installedBytes = entries.reduce((sum, { content }) => sum + contentBytes(content), 0);
  const text = controlText(control, Math.ceil(installedBytes / 1024));
  const controlEntries: TarEntry[] = [
    { path: './', mode: 0o755, content: 'folder' },
    { path: './control', mode: 0o644, content: Buffer.from(text) },
    ...Object.entries(scripts).map(([name, script]) => ({ path: `./${name}`, mode: 0o755, content: Buffer.from(script) })),
  ];
  const members: [name: string, pieces: Piece[]][] = [
    ['debian-binary', [Buffer.from('2.0\n')]],
    ['control.tar.gz', await tarGzPieces(controlEntries)],
    ['data.tar.gz', await tarGzPieces(withFolders(entries))],
  ];
  return [Buffer.from('!<arch>\n'), ...members.flatMap(([name, pieces]) => arMember(name, pieces))];
}

/** One member of an ar archive (the common format): header, content, a line feed when the length is odd. */
export function arMember(name: string, pieces: readonly Piece[]): Piece[] {
  const bytes = sizeOf(pieces);
  if (name.length > 16 || bytes > AR_SIZE_LIMIT_BYTES) throw new Error(`bug: ${name} does not fit into an ar archive`);
  const fields = [
    name.padEnd(16),
    String(TIME_S).padEnd(12),
    '0'.padEnd(6),
    '0'.padEnd(6),
    '100644'.padEnd(8),
    String(bytes).padEnd(10),
  ];
  return [Buffer.from(`${fields.join('')}\`\n`), ...pieces, ...(bytes % 2 === 1 ? [Buffer.from('\n')] : [])];
}

function controlText({ name, version, depends, description }: DebControl, installedKib: number): string {
  const [short = '', ...more] = description;
  const fields: [string, string][] = [
    ['Package', name],
    ['Version', version],
    ['Architecture', 'amd64'],
    ['Maintainer', 'The administrator of the appliance that made this package <root@localhost>'],
    ['Installed-Size', String(installedKib)],
    ['Depends', depends],
    ['Section', 'net'],
    ['Priority', 'optional'],
    ['Description', [short, ...more.map((line) => ` ${line}`)].join('\n')],
  ];
  return fields.map(([field, value]) => `${field}: ${value}\n`).join('');
}

/** The entries under `./`, each folder above one once before it. */
function withFolders(entries: readonly TarEntry[]): TarEntry[] {
  const result: TarEntry[] = [{ path: './', mode: 0o755, content: 'folder' }];
  const known = new Set(['', ...UNOWNED_FOLDERS]);
  for (const entry of entries) {
    const parts = entry.path.replace(/\/$/, '').split('/');
    for (let depth = 1; depth < parts.length; depth += 1) {
      const folder = parts.slice(0, depth).join('/');
      if (known.has(folder)) continue;
      known.add(folder);
      result.push({ path: `./${folder}/`, mode: 0o755, content: 'folder' });
    }
    if (entry.content === 'folder') known.add(parts.join('/'));
    result.push({ ...entry, path: `./${entry.path}` });
  }
  return result;
}

function contentBytes(content: TarEntry['content']): number {
  if (content instanceof Uint8Array) return content.length;
  return typeof content === 'object' && 'bytes' in content ? content.bytes : 0;
}
