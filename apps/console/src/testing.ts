/** The console as a person has it: in a pseudo-terminal of its own, with settings of its own. For tests. */
import { spawn as spawnInTerminal, type IPty } from '@lydell/node-pty';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { z } from 'zod';
import type { ApiClient } from '@bascule/testkit/api-client.ts';
import { waitUntil } from '@bascule/testkit/wait-until.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

/** The console as one file in `directory`, as it is released: it starts three times as fast as the sources. Gives the command. */
export async function bundledConsole(directory: string): Promise<string[]> {
  const outfile = join(directory, 'main.mjs');
  await build({
    entryPoints: [MAIN],
    outfile,
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'esm',
    target: 'node26',
    logLevel: 'silent',
    banner: { js: "import { createRequire as requireMaker } from 'node:module'; const require = requireMaker(import.meta.url);" },
  });
  const about = { format: 'bascule-client/1', program: 'console', version: '0.2.0', revision: 'abc1234' };
  writeFileSync(join(directory, 'bascule-client.json'), JSON.stringify(about));
  return [process.execPath, outfile];
}

export interface Ran {
  code: number | null;
  out: string;
  err: string;
}

export class TestConsole {
  readonly home: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #command: string[];

  /** `command`: how the console is started; by default from the checkout. */
  constructor(directory: string, command: string[] = [process.execPath, MAIN], environment: NodeJS.ProcessEnv = {}) {
    this.home = join(directory, 'console-home');
    mkdirSync(directory, { recursive: true });
    this.#command = command;
    this.#environment = {
      ...process.env,
      BASCULE_CONSOLE_HOME: this.home,
      DISPLAY: undefined,
      WAYLAND_DISPLAY: undefined,
      ...environment,
    };
  }

  /** Runs a command without a terminal. */
  async run(args: string[], onErr?: (text: string) => void): Promise<Ran> {
    const [program = '', ...start] = this.#command;
    const child = spawn(program, [...start, ...args], { env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
      onErr?.(err);
    });
    const { promise, resolve, reject } = Promise.withResolvers<Ran>();
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
    return promise;
  }

  /** Logs in; the code is confirmed by `person`, over the interface. Returns what the console said. */
  async logIn(person: ApiClient, url: string): Promise<string> {
    const { sha256 } = await certificateOf(person);
    let code: string | undefined;
    const ran = await this.run(['login', url, '--fingerprint', sha256], (err) => {
      const shown = /code=([A-Z]{4}-[A-Z]{4})/.exec(err)?.[1];
      if (shown === undefined || shown === code) return;
      code = shown;
      void person.call('POST', `console/logins/by-code/${code}/decide`, z.unknown(), { grant: true });
    });
    if (ran.code !== 0) throw new Error(`bascule login ended with ${ran.code}: ${ran.err}`);
    return ran.err;
  }

  /** Runs a command in a terminal. */
  open(args: string[]): OpenConsole {
    const [program = '', ...start] = this.#command;
    return new OpenConsole(
      spawnInTerminal(program, [...start, ...args], {
        cols: 80,
        rows: 24,
        env: this.#environment as Record<string, string>,
        encoding: null,
      }),
    );
  }
}

/** One run in a terminal. */
export class OpenConsole implements Disposable {
  readonly #pty: IPty;
  #shown = Buffer.alloc(0);
  #end: { exitCode: number } | undefined;

  constructor(pty: IPty) {
    this.#pty = pty;
    pty.onData((data) => {
      this.#shown = Buffer.concat([this.#shown, data as unknown as Buffer]);
    });
    pty.onExit((end) => (this.#end = end));
  }

  /** Everything that came to the terminal. */
  bytes(): Buffer {
    return this.#shown;
  }

  text(): string {
    return this.#shown.toString('utf8');
  }

  type(text: string): void {
    this.#pty.write(text);
  }

  resize(cols: number, rows: number): void {
    this.#pty.resize(cols, rows);
  }

  async until(text: string, limitMs?: number): Promise<void> {
    await waitUntil(`the terminal shows ${JSON.stringify(text)}`, () => this.text().includes(text), limitMs).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}; it shows ${JSON.stringify(this.text().slice(-800))}`, { cause: error });
      },
    );
  }

  /** Waits until a shell asks for a command. */
  async untilPrompt(): Promise<void> {
    // After a whole screen sequences that place the cursor follow.
    const prompt = /[$#] (\x1b\[[0-9;?]*[A-Za-z])*$/;
    await waitUntil('a shell asks for a command', () => prompt.test(this.text())).catch((error: unknown) => {
      throw new Error(`${String(error)}; the terminal shows ${JSON.stringify(this.text().slice(-800))}`, { cause: error });
    });
  }

  async exitCode(): Promise<number> {
    const end = await waitUntil('the console has ended', () => this.#end);
    return end.exitCode;
  }

  [Symbol.dispose](): void {
    if (this.#end === undefined) this.#pty.kill('SIGKILL');
  }
}

/** SHA-256 of the certificate that `api` has pinned. */
async function certificateOf(api: ApiClient): Promise<{ sha256: string }> {
  const { X509Certificate } = await import('node:crypto');
  return { sha256: new X509Certificate(String(api.agent.options.ca)).fingerprint256 };
}
