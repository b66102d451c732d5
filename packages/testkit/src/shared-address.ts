import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { passOn } from './pass-on.ts';
import { resetSocket } from './reset-socket.ts';

/** What a load balancer, a moved address or a changed DNS entry does: new connections go to one appliance, and to another from some moment on. */
export class SharedAddress implements AsyncDisposable {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #target: { address: string; port: number } | undefined;

  private constructor(address: string) {
    this.address = address;
    this.#server = createServer((near) => this.#take(near));
  }

  /** Without `port` at a free one. */
  static async start(address = '127.0.0.9', port = 0): Promise<SharedAddress> {
    const shared = new SharedAddress(address);
    shared.#server.listen(port, address);
    await once(shared.#server, 'listening');
    return shared;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `https://${this.address}:${this.port}`;
  }

  /** From now on new connections go there, and those that stand are cut, as when an address moves. */
  moveTo(target: { address: string; port: number } | undefined): void {
    this.#target = target;
    for (const socket of this.#sockets) resetSocket(socket);
  }

  #take(near: Socket): void {
    const target = this.#target;
    if (target === undefined) return void resetSocket(near);
    const far = createConnection({ host: target.address, port: target.port });
    passOn(near, far, this.#sockets);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}
