/** Debian's testssl.sh against the front door as it is by default, with a certificate of an authority that browsers of the test trust: no finding of MEDIUM or worse. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { ANSWER_POLICY, SECURITY_HEADERS } from '@bascule/http/security-headers.ts';
import { createLog } from '@bascule/log/log.ts';
import { openTestStore } from '@bascule/store/testing.ts';
import { Changes, changeMigrations } from '../../apps/base/src/changes/changes.ts';
import { Front } from '../../apps/base/src/front/front.ts';
import { Security } from '../../apps/base/src/security/security.ts';

const TESTSSL = '/usr/bin/testssl';
/** All that it knows but the simulation of forty clients, which tells of them. It takes a minute: `npm run faults` runs it. */
const CHECKS = ['--protocols', '--std', '--fs', '--server-preference', '--server-defaults', '--headers', '--vulnerable'];
const OPTIONS = [
  '--quiet',
  '--color',
  '0',
  '--warnings',
  'batch',
  '--nodns',
  'none',
  '--severity',
  'LOW',
  '--ip',
  '127.0.0.1',
  ...CHECKS,
];
const BAD = new Set(['MEDIUM', 'HIGH', 'CRITICAL']);
const findings = z.array(z.object({ id: z.string(), severity: z.string(), finding: z.string() }));
const log = createLog('test', 'silent');

/** A certificate for localhost by an authority of the test's own, which says where it lists what it has revoked. */
function makeCertificate(directory: string): { ca: string; web: { key: string; cert: string } } {
  const file = (name: string): string => join(directory, name);
  /** Words with spaces between. */
  const openssl = (words: string): void => void execFileSync('openssl', words.split(' '), { stdio: 'pipe', cwd: directory });
  for (const name of ['ca', 'web']) openssl(`genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ${name}.key`);
  openssl('req -x509 -new -key ca.key -subj /CN=authority -days 90 -addext keyUsage=critical,keyCertSign,cRLSign -out ca.pem');
  openssl('req -new -key web.key -subj /CN=localhost -out web.csr');
  writeFileSync(
    file('web.ext'),
    [
      'subjectAltName=DNS:localhost',
      'basicConstraints=critical,CA:FALSE',
      'keyUsage=critical,digitalSignature',
      'extendedKeyUsage=serverAuth',
      'crlDistributionPoints=URI:http://localhost/test.crl',
      'subjectKeyIdentifier=hash',
      'authorityKeyIdentifier=keyid',
    ].join('\n'),
  );
  openssl('x509 -req -in web.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 90 -extfile web.ext -out web.pem');
  const read = (name: string): string => readFileSync(file(name), 'utf8');
  return { ca: file('ca.pem'), web: { key: read('web.key'), cert: read('web.pem') } };
}

describe('the front door and testssl.sh', { skip: existsSync(TESTSSL) ? false : 'testssl.sh is not installed' }, () => {
  it('has no finding of MEDIUM or worse', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-testssl-'));
    const { ca, web } = makeCertificate(directory);
    using test = openTestStore(changeMigrations);
    const away = { ready: false, switching: false, alive: false, socketPath: '/nowhere' };
    const front = new Front({
      main: away as unknown as ConstructorParameters<typeof Front>[0]['main'],
      relay: away as unknown as ConstructorParameters<typeof Front>[0]['relay'],
      // As every answer of /appliance begins.
      appliance: (_request, response) =>
        response.writeHead(200, { ...SECURITY_HEADERS, 'content-security-policy': ANSWER_POLICY }).end(),
      certificateFor: () => web,
      log,
    });
    const security = new Security({
      store: test.store,
      changes: new Changes({ store: test.store, log }),
      setTls: (options) => front.setTlsOptions(options),
      setBanner: () => undefined,
      arrivalOf: (request) => front.arrivalOf(request),
      log,
    });
    security.start();
    const socket = new net.BoundSocket({ host: '127.0.0.1', port: 0 });
    await front.listen(socket.fd());
    const report = join(directory, 'report.json');
    const child = spawn(
      TESTSSL,
      [...OPTIONS, '--add-ca', ca, '--jsonfile', report, `https://localhost:${socket.address().port}/appliance`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    child.stdout.resume();
    await once(child, 'close');
    const found = findings.parse(JSON.parse(readFileSync(report, 'utf8')));
    front.close();
    socket.close();
    rmSync(directory, { recursive: true });
    assert.ok(
      found.every(({ id }) => id !== 'scanProblem'),
      'the scan went through',
    );
    assert.deepEqual(
      found.filter(({ severity }) => BAD.has(severity)).map(({ id, finding }) => `${id}: ${finding}`),
      [],
    );
  });
});
