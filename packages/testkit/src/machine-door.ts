/** Connections of this process that begin on a machine of a NetworkScene: a program there passes them on, over a Unix socket, which all namespaces share. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Agent } from 'node:https';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { NetworkScene } from './network-scene.ts';
import { waitUntil } from './wait-until.ts';

/** The first line of each connection names the far end. */
const PROGRAM = `
import { connect, createServer } from 'node:net';
createServer((near) => {
  near.on('error', () => near.destroy());
  near.once('data', (first) => {
    const end = first.indexOf(10);
    const [host, port] = first.subarray(0, end).toString().split(' ');
    const far = connect({ host, port: Number(port), noDelay: true });
    far.on('error', () => near.destroy());
    near.on('close', () => far.destroy());
    far.write(first.subarray(end + 1));
    near.pipe(far).pipe(near);
  });
}).listen(process.argv[1]);
`;

interface Place {
  host: string;
  port: number;
}

export class MachineDoor implements AsyncDisposable {
  readonly #path: string;
  readonly #process: ChildProcess;

  private constructor(path: string, process: ChildProcess) {
    this.#path = path;
    this.#process = process;
  }

  /** Opens it on `machine`; `path` is the new socket. */
  static async open(network: NetworkScene, machine: string, path: string): Promise<MachineDoor> {
    const child = network.spawn(machine, [process.execPath, '--input-type=module', '-e', PROGRAM, path], { stdio: 'ignore' });
    await waitUntil(`the door of ${machine} is open`, () => existsSync(path));
    return new MachineDoor(path, child);
  }

  /** A plain connection from that machine; bytes may be written at once. */
  dial({ host, port }: Place): Socket {
    const socket = connectPlain(this.#path);
    socket.write(`${host} ${port}\n`);
    return socket;
  }

  /** For HTTPS and WebSockets from that machine; trusts `certificate`. */
  agent(certificate: string): Agent {
    const dial = (place: Place): Socket => this.dial(place);
    class DoorAgent extends Agent {
      override createConnection(options: ConnectionOptions): Socket {
        return connectTls({ ...options, socket: dial({ host: String(options.host), port: Number(options.port) }) });
      }
    }
    // The very certificate is pinned, whatever the name.
    return new DoorAgent({ ca: certificate, checkServerIdentity: () => undefined, keepAlive: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }
}
