/** Debian's sshd on a free port of loopback, for the present user, by key: the yardstick. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

export class Sshd implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'bascule-sshd-'));
  readonly #port: number;
  #server: ChildProcess | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(): Promise<Sshd> {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, 'close');
    const sshd = new Sshd(port);
    await sshd.#run();
    return sshd;
  }

  /** `ssh -tt` with `command`, or a login shell without one; standard input and output are pipes. */
  open(command?: string): ChildProcess {
    const args = ['-tt', ...this.#options(), `${userInfo().username}@127.0.0.1`];
    return spawn('ssh', command === undefined ? args : [...args, command], { stdio: ['pipe', 'pipe', 'inherit'] });
  }

  /** The command line up to the host: what `rsync -e` takes. */
  get command(): string {
    return ['ssh', ...this.#options()].join(' ');
  }

  #options(): string[] {
    const options = [
      'StrictHostKeyChecking=no',
      `UserKnownHostsFile=${join(this.#folder, 'known')}`,
      'LogLevel=ERROR',
      'IdentitiesOnly=yes',
    ];
    return ['-p', String(this.#port), '-i', join(this.#folder, 'user'), ...options.flatMap((option) => ['-o', option])];
  }

  [Symbol.dispose](): void {
    this.#server?.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #run(): Promise<void> {
    for (const key of ['host', 'user']) spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(this.#folder, key)]);
    spawnSync('cp', [join(this.#folder, 'user.pub'), join(this.#folder, 'authorized')]);
    const settings = {
      ListenAddress: '127.0.0.1',
      Port: this.#port,
      HostKey: join(this.#folder, 'host'),
      AuthorizedKeysFile: join(this.#folder, 'authorized'),
      PasswordAuthentication: 'no',
      PermitRootLogin: 'prohibit-password',
      StrictModes: 'no',
      UsePAM: 'no',
      PrintMotd: 'no',
      PidFile: 'none',
      // The shell reads nobody's start-up files, which may take seconds.
      SetEnv: `HOME=${this.#folder}`,
    };
    const file = join(this.#folder, 'sshd_config');
    writeFileSync(
      file,
      Object.entries(settings)
        .map(([name, value]) => `${name} ${value}\n`)
        .join(''),
    );
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
    this.#server = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', file], { stdio: ['ignore', 'ignore', 'ignore'] });
    for (let tries = 0; !(await answers(this.#port)); tries++) if (tries > 500) throw new Error('sshd does not listen');
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const answered = await Promise.race([once(socket, 'data').then(() => true), once(socket, 'error').then(() => false)]).catch(
    () => false,
  );
  socket.destroy();
  return answered;
}
