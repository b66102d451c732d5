import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { resetSocket } from './reset-socket.ts';

/**
 * What may become of bytes on their way: they pass; they stay on the way until another state, and nobody is told (`held`); each piece comes late (`slow`); one bit of the next piece is
 * another one (`flipped`, once).
 */
export type WayState = 'passes' | 'held' | 'slow' | 'flipped';

const SLOW_MS = 300;
/** Behind the beginning of a piece: within what is encrypted. */
const FLIPPED_AT = 20;
const FLIPPED_MIN_BYTES = 64;

/** The network between an appliance and its peer, in the direction in which connections are made; both directions of their bytes can be broken apart. */
export class PairWay implements AsyncDisposable {
  readonly #server: Server;
  readonly #address: string;
  readonly #sockets = new Set<Socket>();
  readonly #states: Record<'there' | 'back', WayState> = { there: 'passes', back: 'passes' };
  #isCut = false;
  #flips = 0;
  readonly #waiting: (() => void)[] = [];

  private constructor(address: string, target: { address: string; port: number }) {
    this.#address = address;
    this.#server = createServer((near) => {
      if (this.#isCut) return void resetSocket(near);
      const far = createConnection({ host: target.address, port: target.port });
      this.#pass(near, far, 'there');
      this.#pass(far, near, 'back');
    });
  }

  /** A way to `target` that begins at a free port of `address`. */
  static async to(target: { address: string; port: number }, address: string): Promise<PairWay> {
    const way = new PairWay(address, target);
    way.#server.listen(0, address);
    await once(way.#server, 'listening');
    return way;
  }

  get endpoint(): { host: string; port: number } {
    return { host: this.#address, port: (this.#server.address() as AddressInfo).port };
  }

  /** How many bits were turned. */
  get flips(): number {
    return this.#flips;
  }

  /** Connections are cut, and refused, or let through again. */
  cut(isCut = true): void {
    this.#isCut = isCut;
    if (isCut) for (const socket of this.#sockets) resetSocket(socket);
  }

  /** From now on this becomes of bytes to the target (`there`) and from it (`back`). */
  set(there: WayState, back: WayState = there): void {
    Object.assign(this.#states, { there, back });
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    this.set('passes');
    await once(this.#server, 'close');
  }

  #pass(from: Socket, to: Socket, direction: 'there' | 'back'): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    let sent = Promise.resolve();
    from.on('data', (piece: Buffer) => {
      sent = sent.then(() => this.#send(piece, to, direction));
    });
    from.on('error', () => from.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }

  async #send(piece: Buffer, to: Socket, direction: 'there' | 'back'): Promise<void> {
    while (this.#states[direction] === 'held' && !to.destroyed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const state = this.#states[direction];
    if (state === 'slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    if (state === 'flipped' && piece.length >= FLIPPED_MIN_BYTES) {
      piece.writeUInt8(piece.readUInt8(FLIPPED_AT) ^ 1, FLIPPED_AT);
      this.#flips += 1;
      this.#states[direction] = 'passes';
    }
    if (!to.destroyed) to.write(piece);
  }
}
