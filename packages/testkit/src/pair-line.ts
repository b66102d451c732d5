import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { passOn } from './pass-on.ts';
import { resetSocket } from './reset-socket.ts';

/** The ALPN names of the pair link begin so; they stand in the open in the first bytes of a connection. */
const PAIR_ALPN = 'bascule-pair';

/** The way to an appliance by an address of its own, on which the line from the other appliance can be cut while clients and people still come through. */
export class PairLine implements AsyncDisposable {
  readonly address: string;
  readonly #server: Server;
  readonly #target: { address: string; port: number };
  readonly #sockets = new Set<Socket>();
  readonly #ofPair = new Set<Socket>();
  #isCut = false;

  private constructor(address: string, target: { address: string; port: number }) {
    this.address = address;
    this.#target = target;
    this.#server = createServer((near) => {
      near.on('error', () => near.destroy());
      near.once('data', (hello: Buffer) => this.#take(near, hello));
    });
  }

  /** Listens on a free port of `address`, which is of this machine's loopback. */
  static async start(address: string, target: { address: string; port: number }): Promise<PairLine> {
    const line = new PairLine(address, target);
    line.#server.listen(0, address);
    await once(line.#server, 'listening');
    return line;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on the other appliance does not come through, nor does what it has open here. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#ofPair) resetSocket(socket);
  }

  mend(): void {
    this.#isCut = false;
  }

  #take(near: Socket, hello: Buffer): void {
    const isOfPair = hello.includes(PAIR_ALPN);
    if (isOfPair && this.#isCut) return void resetSocket(near);
    const far = createConnection({ host: this.#target.address, port: this.#target.port });
    far.write(hello);
    passOn(near, far, this.#sockets, ...(isOfPair ? [this.#ofPair] : []));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}
