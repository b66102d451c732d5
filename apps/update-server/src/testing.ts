/** The update server for its tests: as a process, by its commands, and an appliance that asks it. */
import { execFile, spawn } from 'node:child_process';
import { randomBytes, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { publicKeyText } from '@bascule/package-format/appliance-key.ts';
import { signQuestion } from '@bascule/package-format/appliance-question.ts';
import { createDownloadKey } from '@bascule/package-format/download-key.ts';
import { newKey } from '@bascule/package-format/testing.ts';

const MAIN = resolve(import.meta.dirname, 'main.ts');
const run = promisify(execFile);

/** Runs a command of the update server; gives what it printed. */
export async function command(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [MAIN, ...args]);
  return stdout;
}

export interface Running {
  url: string;
  stop(): Promise<void>;
}

export async function serve(...args: string[]): Promise<Running> {
  const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const url = Promise.withResolvers<string>();
  child.once('exit', (code) => url.reject(new Error(`the update server ended with ${code}`)));
  createInterface(child.stdout).on('line', (line) => {
    const found = /^Update server at (\S+)$/.exec(line)?.[1];
    if (found !== undefined) url.resolve(found);
    // What the server logs as an error is a fault of it or of the test.
    else if (/"level":[56]0/.test(line)) process.stderr.write(`${line}\n`);
  });
  return {
    url: await url.promise,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** An appliance as the server sees one: a key, and what it says. */
export function testAppliance(name: string, installed: { base: string; site: string; runtimes: string[] }) {
  const privateKey: KeyObject = newKey();
  return {
    name,
    publicKey: publicKeyText(privateKey),
    ask(url: string, nowMs = Date.now()) {
      return this.send(url, this.question(nowMs));
    },
    question: (nowMs = Date.now()) => signQuestion(privateKey, { kind: 'offers', applianceName: name, installed }, nowMs),
    send: (url: string, body: string) =>
      fetch(`${url}/api/question`, { method: 'POST', body, headers: { 'content-type': 'application/json' } }),
    downloadKey: (nowMs = Date.now(), changes: Partial<typeof installed> = {}) =>
      createDownloadKey({
        privateKey,
        applianceName: name,
        installed: { ...installed, ...changes },
        rootVersion: 1,
        nowMs,
        nonce: randomBytes(18).toString('base64url'),
      }),
  };
}
