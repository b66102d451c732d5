import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { Log } from '@bascule/log/log.ts';
import { z } from 'zod';
import { exists, removeIfThere, writeArchive } from './installer-archive.ts';
import { installCommand, installerScript } from './installer-script.ts';
import { notReadyYet } from './jump-errors.ts';

const run = promisify(execFile);
const TOOL_LIMIT_MS = 120_000;
/** Libraries that a minimal system lacks; the C library itself is the system's own. */
const BUNDLED_LIBRARIES = ['libatomic.so.1', 'libstdc++.so.6', 'libgcc_s.so.1'];
const ARCHIVE_NAME = /^(runtime|client)-[0-9a-f]{64}\.tar$/;

const runtimeNote = z.object({ source: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

export interface InstallerOptions {
  filesDir: string;
  /** The staged software: apps/, packages/, node_modules/. */
  softwareDir: string;
  /** The Node binary that clients get. */
  nodeBinary: string;
  siteUrl(): string;
  webKeyPin(): string;
  log: Log;
}

interface Prepared {
  runtimeSha256: string;
  clientSha256: string;
  runtimeBytes: number;
  clientBytes: number;
}

/** The files an endpoint installs from: made once, in the background, named by their hashes. */
export class Installer {
  #options: InstallerOptions;
  #prepared: Prepared | undefined;
  #preparing: Promise<Prepared> | undefined;

  constructor(options: InstallerOptions) {
    this.#options = options;
  }

  /** Makes the archives unless they are there; called again after a failure, it tries again. */
  async prepare(): Promise<Prepared> {
    this.#preparing ??= this.#make().then(
      (prepared) => (this.#prepared = prepared),
      (error: unknown) => {
        this.#preparing = undefined;
        this.#options.log.error({ err: error }, 'installer-not-prepared');
        throw notReadyYet();
      },
    );
    return await this.#preparing;
  }

  /** The script as it is now; it changes with the appliance's name, its web key and its software. Throws JUMP_INSTALLER_PREPARING. */
  script(): string {
    if (this.#prepared === undefined) throw notReadyYet();
    return installerScript({ siteUrl: this.#options.siteUrl(), webKeyPin: this.#options.webKeyPin(), ...this.#prepared });
  }

  /** The commands that carry a token. */
  async commands(token: string): Promise<{ installCommand: string; checkoutCommand: string }> {
    await this.prepare();
    const scriptSha256 = createHash('sha256').update(this.script()).digest('hex');
    const siteUrl = this.#options.siteUrl();
    return {
      installCommand: installCommand({ siteUrl, webKeyPin: this.#options.webKeyPin(), scriptSha256, token }),
      checkoutCommand: `npm run jump-client -- --site ${siteUrl} --token ${token}`,
    };
  }

  /** An archive by its file name, compressed when `gzip`; undefined when there is none of that name. */
  async archive(
    name: string,
    gzip: boolean,
  ): Promise<{ stream: NodeJS.ReadableStream; bytes: number; gzip: boolean } | undefined> {
    if (!ARCHIVE_NAME.test(name)) return undefined;
    const plain = join(this.#options.filesDir, name);
    const path = gzip && (await exists(`${plain}.gz`)) ? `${plain}.gz` : plain;
    const found = await exists(path);
    return found && { stream: createReadStream(path), bytes: found.size, gzip: path !== plain };
  }

  async #make(): Promise<Prepared> {
    const { filesDir } = this.#options;
    await mkdir(filesDir, { recursive: true, mode: 0o700 });
    const runtimeSha256 = await this.#makeRuntime();
    const clientSha256 = await this.#makeClient();
    // Others are of earlier software: nothing names them any more.
    for (const name of await readdir(filesDir)) {
      if (/^(runtime|client)[-.]/.test(name) && !name.includes(runtimeSha256) && !name.includes(clientSha256))
        await removeIfThere(join(filesDir, name));
    }
    const size = async (name: string) => (await exists(join(filesDir, name)))?.size ?? 0;
    return {
      runtimeSha256,
      clientSha256,
      runtimeBytes: await size(`runtime-${runtimeSha256}.tar`),
      clientBytes: await size(`client-${clientSha256}.tar`),
    };
  }

  /** bin/node and the libraries it needs beyond the C library; kept while the binary stays the same. */
  async #makeRuntime(): Promise<string> {
    const { filesDir, nodeBinary } = this.#options;
    const binary = await exists(nodeBinary);
    const source = `${nodeBinary} ${binary?.size} ${binary?.mtimeMs}`;
    const noteFile = join(filesDir, 'installer-runtime.json');
    const note = runtimeNote.safeParse(JSON.parse(await readFile(noteFile, 'utf8').catch(() => 'null')));
    if (note.success && note.data.source === source && (await exists(join(filesDir, `runtime-${note.data.sha256}.tar`))))
      return note.data.sha256;

    const work = await mkdtemp(join(filesDir, 'work-'));
    try {
      const node = join(work, 'node');
      await run('strip', ['-o', node, nodeBinary], { timeout: TOOL_LIMIT_MS }).catch(() => copyFile(nodeBinary, node));
      const libraries = await findLibraries(nodeBinary);
      const sha256 = await writeArchive(filesDir, 'runtime', [
        { name: 'bin/node', mode: 0o755, content: { file: node } },
        ...libraries.map((file) => ({ name: `lib/${basename(file)}`, mode: 0o644, content: { file } })),
      ]);
      await writeFile(`${noteFile}.new`, JSON.stringify({ source, sha256 }));
      await rename(`${noteFile}.new`, noteFile);
      return sha256;
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  /** main.mjs (everything bundled) and the native part of the pseudo-terminal. */
  async #makeClient(): Promise<string> {
    const { filesDir, softwareDir } = this.#options;
    const { build } = await import('esbuild');
    const bundle = await build({
      entryPoints: [join(softwareDir, 'apps/jump-client/src/main.ts')],
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
      target: 'node26',
      minifySyntax: true,
      logLevel: 'silent',
      // Some of the bundled packages are CommonJS and ask for Node's own modules.
      banner: {
        js: "import { createRequire as requireMaker } from 'node:module'; const require = requireMaker(import.meta.url);",
      },
    });
    const pty = join(softwareDir, 'node_modules/@lydell/node-pty-linux-x64/pty.node');
    return await writeArchive(filesDir, 'client', [
      { name: 'main.mjs', mode: 0o644, content: { bytes: bundle.outputFiles[0]!.contents } },
      { name: 'pty.node', mode: 0o644, content: { file: pty } },
    ]);
  }
}

/** Where this machine has the libraries that the runtime archive carries. */
async function findLibraries(binary: string): Promise<string[]> {
  const { stdout } = await run('ldd', [binary], { timeout: TOOL_LIMIT_MS });
  const found = new Map(Array.from(stdout.matchAll(/^\s*(\S+) => (\/\S+)/gm), (match) => [match[1]!, match[2]!]));
  return BUNDLED_LIBRARIES.flatMap((name) => found.get(name) ?? []);
}
