import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { CHECKOUT } from './launch-appliance.ts';

export interface Ran {
  code: number | null;
  out: string;
  error: string;
}

/** Runs a program to its end, whatever that is. */
export async function run(command: string, args: string[]): Promise<Ran> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, error] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (error += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, error };
}

/** `npm run appliance -- ...` for the appliance in `home`. */
export class CommandLine {
  readonly #home: string;

  constructor(home: string) {
    this.#home = home;
  }

  run(...args: string[]): Promise<Ran> {
    return run(process.execPath, [join(CHECKOUT, 'tools', 'entry', 'appliance.mjs'), ...args, '--home', this.#home]);
  }

  /** What the command says when it does what it should. */
  async says(...args: string[]): Promise<string> {
    const { code, out, error } = await this.run(...args);
    assert.equal(code, 0, `${args.join(' ')}:\n${out}${error}`);
    return out;
  }

  /** The one sentence with which the command refuses. */
  async refusal(...args: string[]): Promise<string> {
    const { code, out, error } = await this.run(...args);
    assert.equal(code, 1, `${args.join(' ')}:\n${out}${error}`);
    assert.equal(error.trim().split('\n').length, 1, error);
    return error;
  }
}
