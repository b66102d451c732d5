import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ApplianceLog } from './appliance-log.ts';
import { sentenceOf } from './base-candidate.ts';
import { readOptions } from './options.ts';
import { checkHome, checkOwners, MIN_FREE_BYTES } from './preparation.ts';
import { Refusal } from './refusal.ts';

const directory = mkdtempSync(join(tmpdir(), 'bascule-boot-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const USER_ID = 1000;

function refusal(work: () => unknown): Refusal {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof Refusal);
    return error;
  }
  throw new Error('was not refused');
}

describe('what base says of itself', () => {
  it('is one line that steers no terminal', () => {
    assert.equal(sentenceOf('bad\u001b[2J\nworse'), 'bad [2J worse');
    assert.equal(sentenceOf('x'.repeat(10_000)).length, 2_000);
    assert.equal(sentenceOf(undefined), 'undefined');
  });
});

describe('options of boot', () => {
  const good = ['--home', 'var', '--listen', '127.0.0.1', '--port', '8443', '--name', 'box.example', '--base', 'base.ts'];

  it('are read, with absolute paths', () => {
    const options = readOptions(good, USER_ID);
    assert.equal(options.home, join(process.cwd(), 'var'));
    assert.equal(options.port, 8443);
    assert.equal(options.account, undefined);
  });

  for (const [name, args, message] of [
    ['a missing one', good.slice(2), /--home is missing/],
    ['an unknown one', [...good, '--colour', 'red'], /--colour/],
    ['a name as address', [...good, '--listen', 'localhost'], /--listen must be an IP address/],
    ['a port too high', [...good, '--port', '70000'], /--port must be a number/],
    ['a port that is no number', [...good, '--port', '84x'], /--port must be a number/],
    ['a host with a blank', [...good, '--name', 'a b'], /--name must be/],
  ] as const) {
    it(`refuse ${name}, with code 2`, () => {
      const refused = refusal(() => readOptions([...args], USER_ID));
      assert.match(refused.message, message);
      assert.equal(refused.exitCode, 2);
    });
  }

  it('refuse root and unknown users for base', () => {
    assert.match(refusal(() => readOptions([...good, '--user', 'root'], 0)).message, /must not be root/);
    assert.match(refusal(() => readOptions([...good, '--user', 'no-such-user'], 0)).message, /no user 'no-such-user'/);
  });
});

describe('the check of the data directory', () => {
  it('passes for a directory that can be made', () => {
    checkHome(join(directory, 'not', 'there', 'yet'));
  });

  it('names a full disk', () => {
    assert.match(refusal(() => checkHome(directory, Number.MAX_SAFE_INTEGER)).message, /^Only \d+ MiB are free/);
    assert.equal(MIN_FREE_BYTES, 256 * 1024 * 1024);
  });

  it('names a file in its place', () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    assert.match(refusal(() => checkHome(join(file, 'home'))).message, /is a file/);
  });

  it('names what base’s user could exchange under root', () => {
    const home = mkdtempSync(join(directory, 'owned-'));
    const { uid, gid } = statSync(home);
    const account = (id: number) => ({ uid: id, gid, name: 'bascule' });
    checkOwners(home, account(uid + 1));
    checkOwners(home, undefined);
    assert.match(refusal(() => checkOwners(home, account(uid))).message, /can be changed by the user 'bascule'/);
    mkdirSync(join(home, 'software'));
    chmodSync(join(home, 'software'), 0o777);
    assert.match(refusal(() => checkOwners(home, account(uid + 1))).message, /software can be changed by everybody/);
  });

  it('names a directory that cannot be written', () => {
    // /proc can be written by nobody, not even root.
    assert.match(refusal(() => checkHome('/proc/bascule')).message, /cannot be written|MiB are free/);
  });
});

describe('the log', () => {
  it('is emptied when full, and its predecessor kept', () => {
    const log = new ApplianceLog(directory, 1000);
    writeSync(log.descriptor, 'x'.repeat(1001));
    log.rotateIfFull();
    log.write('boot.started', { port: 1 });
    assert.equal(statSync(join(directory, 'appliance.log.1')).size, 1001);
    const line = JSON.parse(readFileSync(join(directory, 'appliance.log'), 'utf8')) as Record<string, unknown>;
    assert.deepEqual([line['event'], line['port'], line['program']], ['boot.started', 1, 'boot']);
  });
});
