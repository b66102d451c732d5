/** For tests of syslog: certificates, and Debian's rsyslog as the server. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const WAIT_LIMIT_MS = 30_000;

export interface TestAuthority {
  directory: string;
  caPem: string;
  /** PEM of a certificate with its key for `127.0.0.1` and `localhost`. */
  issue(name: string): { certificate: string; key: string; certificateFile: string; keyFile: string };
}

/** A CA in `directory`, by openssl. */
export function makeAuthority(directory: string): TestAuthority {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: ['ignore', 'ignore', 'ignore'] });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=Test CA', '-days', '2');
  let issued = 0;
  const issue = (name: string) => {
    // Files of their own: another server may be reading those of before.
    const file = `${name}-${issued++}`;
    const [certificateFile, keyFile] = [join(directory, `${file}.pem`), join(directory, `${file}.key`)];
    writeFileSync(join(directory, `${file}.ext`), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
    openssl('req', ...newKey, '-keyout', keyFile, '-out', `${file}.csr`, '-subj', `/CN=${name}`);
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', `${file}.ext`];
    openssl('x509', '-req', '-in', `${file}.csr`, ...signed, '-out', certificateFile);
    return { certificate: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certificateFile, keyFile };
  };
  return { directory, caPem: readFileSync(join(directory, 'ca.pem'), 'utf8'), issue };
}

/** rsyslogd with gtls, which demands client certificates of the CA when `wantsClient`, and writes what it understood as lines of JSON. */
export class Rsyslog implements AsyncDisposable {
  readonly port: number;
  readonly #directory: string;
  readonly #output: string;
  #child: ChildProcess | undefined;

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.port = port;
    this.#output = join(directory, 'received.jsonl');
  }

  static async start(authority: TestAuthority, options: { wantsClient: boolean }): Promise<Rsyslog> {
    const directory = mkdtempSync(join(tmpdir(), 'bascule-rsyslog-'));
    const server = new Rsyslog(directory, await freePort());
    const { certificateFile, keyFile } = authority.issue('logs');
    const template = ['HOSTNAME', 'APP-NAME', 'PROCID', 'MSGID', 'PRI', 'structured-data', 'msg', 'timereported'].map(
      (name) =>
        `property(name="${name.toLowerCase()}" outname="${name}" format="jsonf"${name === 'timereported' ? ' dateFormat="rfc3339"' : ''})`,
    );
    const settings = `
global(workDirectory="${directory}" maxMessageSize="16k"
  DefaultNetstreamDriver="gtls" DefaultNetstreamDriverCAFile="${join(authority.directory, 'ca.pem')}"
  DefaultNetstreamDriverCertFile="${certificateFile}" DefaultNetstreamDriverKeyFile="${keyFile}")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.Authmode="${options.wantsClient ? 'x509/certvalid' : 'anon'}")
template(name="line" type="list") { constant(value="{") ${template.join(' constant(value=",") ')} constant(value="}\\n") }
input(type="imtcp" port="${server.port}" address="127.0.0.1")
action(type="omfile" file="${server.#output}" template="line" asyncWriting="off" flushOnTXEnd="on")
`;
    writeFileSync(join(directory, 'rsyslog.conf'), settings);
    await server.restart();
    return server;
  }

  async restart(): Promise<void> {
    const args = ['-n', '-f', join(this.#directory, 'rsyslog.conf'), '-i', join(this.#directory, 'pid')];
    const child = spawn('/usr/sbin/rsyslogd', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece));
    child.once('exit', (code) => {
      if (code !== 0 && code !== null) process.stderr.write(`rsyslogd: ${code} ${said}\n`);
    });
    await until(() => existsSync(join(this.#directory, 'pid')), this.#directory);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
    rmSync(join(this.#directory, 'pid'), { force: true });
  }

  /** What it has understood. */
  received(): Record<string, string>[] {
    if (!existsSync(this.#output)) return [];
    const text = readFileSync(this.#output, 'utf8');
    return text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, string>);
  }

  /** Waits until what it has received fits. */
  async receives(fits: (lines: Record<string, string>[]) => boolean): Promise<Record<string, string>[]> {
    await until(() => fits(this.received()), this.#directory);
    return this.received();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Looks whenever something changes in `directory`. */
async function until(fits: () => boolean, directory: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = () => {
    if (fits()) resolve();
  };
  const watcher = watch(directory, look);
  // A watch may miss a change that came before it began.
  const again = setInterval(look, 100);
  const late = setTimeout(() => reject(new Error('what was waited for did not come')), WAIT_LIMIT_MS);
  look();
  try {
    await promise;
  } finally {
    watcher.close();
    clearInterval(again);
    clearTimeout(late);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
