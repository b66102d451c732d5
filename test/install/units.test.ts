/** What systemd says of the units of the package, as far as it does without being process 1. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';

const PACKAGING = resolve(import.meta.dirname, '..', '..', 'packaging', 'root');
const UNITS = 'usr/lib/systemd/system';
const SYSTEM_UNITS = '/lib/systemd/system';
/** Of ten, which is a service without any protection; root that may do nothing beyond a list cannot be much lower. */
const EXPOSURE_MAX_TENTHS = 35;
const skip = !existsSync('/usr/bin/systemd-analyze') && 'systemd is not installed';

let root: string;

before(() => {
  root = mkdtempSync(join(tmpdir(), 'bascule-units-'));
  cpSync(PACKAGING, root, { recursive: true });
  // The targets that ours hang on are systemd's own.
  if (existsSync(SYSTEM_UNITS)) cpSync(SYSTEM_UNITS, join(root, UNITS), { recursive: true, verbatimSymlinks: true });
});
after(() => rmSync(root, { recursive: true, force: true }));

function run(command: string, args: string[], env: NodeJS.ProcessEnv = {}): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', ...env },
  });
  return { status, output: `${stdout}${stderr}` };
}

/** Runs the generator on this `appliance.conf`; gives its folder. */
function generate(conf: string): string {
  const file = join(root, 'etc', 'bascule', 'appliance.conf');
  writeFileSync(file, conf);
  const out = mkdtempSync(join(root, 'generated-'));
  const env = { BASCULE_LIB: join(root, 'usr/lib/bascule'), BASCULE_CONF: file };
  const { status, output } = run('sh', [join(root, 'usr/lib/systemd/system-generators/bascule-generator'), out], env);
  assert.deepEqual([status, output], [0, '']);
  return out;
}

/** systemd's own reading of the units, with what the generator made beside them. */
function verify(generated?: string): void {
  const folder = join(root, UNITS);
  if (generated !== undefined) cpSync(generated, folder, { recursive: true });
  const units = readdirSync(folder).filter((name) => /^bascule.*\.(service|socket)$/.test(name));
  assert.deepEqual(units.toSorted(), ['bascule-http.socket', 'bascule.service', 'bascule.socket']);
  const args = ['verify', '--man=no', '--recursive-errors=yes', `--root=${root}`, ...units.map((name) => join('/', UNITS, name))];
  const { status, output } = run('systemd-analyze', args);
  // Programs of the system's own units are not in this root.
  const ours = output.split('\n').filter((line) => /bascule/.test(line));
  assert.deepEqual(ours, [], output);
  assert.equal(status === null, false);
}

describe('the units', { skip }, () => {
  it('are read by systemd without a complaint', () => verify());

  it('leave the appliance no more than it needs', () => {
    const args = [
      'security',
      '--offline=true',
      `--root=${root}`,
      `--threshold=${EXPOSURE_MAX_TENTHS}`,
      '--no-pager',
      'bascule.service',
    ];
    const { status, output } = run('systemd-analyze', args);
    assert.equal(status, 0, output);
    assert.match(output, /Overall exposure level for bascule\.service: \d\.\d/);
  });

  it('would be complained about, and found open, if they were worse', () => {
    const file = join(root, UNITS, 'bascule.service');
    const good = readFileSync(file, 'utf8');
    writeFileSync(file, good.replace(/^(CapabilityBoundingSet|SystemCallFilter|ProtectSystem)=.*$/gm, 'Nonsense=1'));
    assert.throws(() => verify());
    const args = ['security', '--offline=true', `--root=${root}`, `--threshold=${EXPOSURE_MAX_TENTHS}`, 'bascule.service'];
    assert.notEqual(run('systemd-analyze', args).status, 0);
    writeFileSync(file, good);
  });
});

describe('appliance.conf', { skip }, () => {
  it('as it comes changes nothing', () => {
    const out = generate(readFileSync(join(PACKAGING, 'etc/bascule/appliance.conf'), 'utf8'));
    assert.deepEqual(readdirSync(out), []);
  });

  it('says where systemd listens', () => {
    const out = generate('BASCULE_LISTEN = no\nBASCULE_LISTEN=192.0.2.10\nBASCULE_PORT="8443"\n');
    const read = (unit: string) =>
      readFileSync(join(out, `${unit}.d`, 'appliance-conf.conf'), 'utf8')
        .split('\n')
        .slice(1, -1);
    assert.deepEqual(read('bascule.socket'), ['[Socket]', 'ListenStream=', 'ListenStream=192.0.2.10:8443']);
    assert.deepEqual(read('bascule-http.socket'), ['[Socket]', 'ListenStream=', 'ListenStream=192.0.2.10:80']);
    verify(out);
  });

  it('takes an IPv6 address, no second port, and no command', () => {
    const mark = join(root, 'was-run');
    const out = generate(`BASCULE_LISTEN=2001:db8::10\nBASCULE_HTTP_PORT=none\nBASCULE_NAME=$(touch ${mark})\n`);
    assert.match(
      readFileSync(join(out, 'bascule.socket.d', 'appliance-conf.conf'), 'utf8'),
      /^ListenStream=\[2001:db8::10\]:443$/m,
    );
    assert.match(readFileSync(join(out, 'bascule-http.socket.d', 'appliance-conf.conf'), 'utf8'), /^ConditionPathExists=!\/$/m);
    verify(out);
    assert.equal(existsSync(mark), false);
  });
});
