import { once } from 'node:events';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { resetSocket } from './reset-socket.ts';

/** A network that breaks: passes TCP connections on, and cuts or holds them when told to. */
export class CuttingProxy implements AsyncDisposable {
  #server: Server;
  #sockets = new Set<Socket>();
  #isHeld = false;

  private constructor(targetPort: number) {
    this.#server = createServer((near) => {
      const far = createConnection({ host: '127.0.0.1', port: targetPort });
      this.#pass(near, far);
      this.#pass(far, near);
    });
  }

  /** Listens on a free port of 127.0.0.1, or of another own address. */
  static async start(targetPort: number, address = '127.0.0.1'): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(targetPort);
    proxy.#server.listen(0, address);
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How many connections pass through it now. */
  get connections(): number {
    return this.#sockets.size / 2;
  }

  /** Cuts every connection; new ones are let through. */
  cut(): void {
    for (const socket of this.#sockets) resetSocket(socket);
  }

  /** Nothing moves any more, and nobody is told: a network that swallows. */
  hold(): void {
    this.#isHeld = true;
    for (const socket of this.#sockets) socket.pause();
  }

  release(): void {
    this.#isHeld = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  #pass(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    if (this.#isHeld) from.pause();
    from.on('data', (chunk) => {
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (!this.#isHeld) from.resume();
    });
    from.on('error', () => from.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
