import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Refusal } from './refusal.ts';

export interface Account {
  name: string;
  uid: number;
  gid: number;
}

export interface Options {
  home: string;
  listen: string;
  port: number;
  /** Of plain http, which leads people to https; undefined: no such port is opened here. */
  httpPort: number | undefined;
  name: string;
  /** What base and site are made of when `software` is empty (docs/spec/boot.md, 7). */
  seed: string | undefined;
  /** base's main.ts; or the folder with the versions of base, whose pointer says which. */
  source: { base: string } | { software: string };
  /** Whom base and site run as when boot is root; undefined: as whoever started boot. */
  account: Account | undefined;
}

const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$/;
export const USAGE =
  'main.ts --home DIR --listen ADDRESS --port NUMBER [--http-port NUMBER] --name HOST (--software DIR [--seed DIR] | --base BASE_MAIN_TS) [--user bascule]';

/** Reads boot's command line (docs/spec/boot.md, 1). Throws `Refusal` with exit code 2 that names the wrong option. */
export function readOptions(args: string[], uid: number): Options {
  const values = readValues(args);
  const text = (option: 'home' | 'listen' | 'port' | 'name' | 'base' | 'software'): string => {
    const value = values[option];
    if (value === undefined || value === '') throw new Refusal(`--${option} is missing; usage: ${USAGE}`, 2);
    return value;
  };
  const listen = text('listen');
  if (isIP(listen) === 0) throw new Refusal(`--listen must be an IP address such as 127.0.0.1, not '${listen}'.`, 2);
  const port = portOf('--port', text('port'));
  const name = text('name');
  if (!HOST_NAME.test(name)) throw new Refusal(`--name must be a host name or an IP address, not '${name}'.`, 2);
  if (values.base !== undefined && values.software !== undefined)
    throw new Refusal(`--base and --software exclude each other; usage: ${USAGE}`, 2);
  if (values.seed !== undefined && values.software === undefined)
    throw new Refusal(`--seed needs --software; usage: ${USAGE}`, 2);
  return {
    home: resolve(text('home')),
    listen,
    port,
    httpPort: values['http-port'] === undefined ? undefined : portOf('--http-port', values['http-port']),
    name,
    seed: values.seed === undefined ? undefined : resolve(values.seed),
    source: values.base === undefined ? { software: resolve(text('software')) } : { base: resolve(text('base')) },
    account: uid === 0 ? findAccount(values.user ?? 'bascule') : undefined,
  };
}

function readValues(args: string[]) {
  const option = { type: 'string' } as const;
  try {
    return parseArgs({
      args,
      options: {
        home: option,
        listen: option,
        port: option,
        'http-port': option,
        name: option,
        base: option,
        software: option,
        seed: option,
        user: option,
      },
    }).values;
  } catch (error) {
    throw new Refusal(`${error instanceof Error ? error.message : String(error)}; usage: ${USAGE}`, 2);
  }
}

function portOf(option: string, value: string): number {
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65535)
    throw new Refusal(`${option} must be a number up to 65535, not '${value}'.`, 2);
  return Number(value);
}

function findAccount(name: string): Account {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  if (uid === undefined || gid === undefined) {
    throw new Refusal(
      `There is no user '${name}' on this machine; make one (useradd --system ${name}) or name another with --user.`,
      2,
    );
  }
  if (Number(uid) === 0) throw new Refusal(`--user must not be root: base and site run without its rights.`, 2);
  return { name, uid: Number(uid), gid: Number(gid) };
}
