import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { homePaths } from '@bascule/core/home.ts';
import { createLog } from '@bascule/log/log.ts';
import { openWebCertificate } from '../src/certificates/certificates.ts';
import { Front, type FrontOptions } from '../src/front/front.ts';
import { SiteHost } from '../src/site-host/site-host.ts';

/** A front door on a free port, in this process, before the two fixture programs as processes of their own. */
export class FrontBench implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'bascule-front-'));
  readonly paths = homePaths(this.directory);
  readonly host: SiteHost;
  #front: Front | undefined;
  readonly #socket = new net.BoundSocket({ host: '127.0.0.1', port: 0 });

  constructor(health: { healthIntervalMs?: number; healthSilenceLimitMs?: number } = {}) {
    mkdirSync(join(this.paths.run, 'control'), { recursive: true });
    const siteStart = {
      applianceName: 'test',
      publicHost: 'localhost',
      publicPort: this.port,
      hosts: ['localhost'],
      webKeyPin: '',
    };
    const fixture = (name: string) => join(import.meta.dirname, `fixture-${name}.ts`);
    this.host = new SiteHost({
      paths: this.paths,
      software: () => ({
        folder: '',
        version: '0',
        directory: '/',
        node: process.execPath,
        runtimeDir: '/',
        programs: { main: fixture('main'), relay: fixture('relay') },
      }),
      siteStart: () => siteStart,
      log: createLog('test', 'silent'),
      ...health,
    });
  }

  get port(): number {
    return this.#socket.address().port;
  }
  get front(): Front {
    if (this.#front === undefined) throw new Error('not open');
    return this.#front;
  }

  /** Opens the front door; with `site`, waits for the programs too. */
  async open(options: Partial<FrontOptions> & { site?: boolean } = {}): Promise<this> {
    const certificate = await openWebCertificate(this.paths.boxTls, ['localhost', '127.0.0.1']);
    this.#front = new Front({
      main: this.host.main,
      relay: this.host.relay,
      appliance: (request, response) =>
        response.end(
          JSON.stringify({ appliance: request.url, headers: request.headers, peer: this.front.peerOf(request.socket) }),
        ),
      certificateFor: () => certificate,
      log: createLog('test', 'silent'),
      ...options,
    });
    this.host.on('programChanged', (name) => this.front.programChanged(name));
    this.host.on('routeChanged', () => this.front.setPrograms(this.host.main, this.host.relay));
    await this.front.listen(this.#socket.fd());
    if (options.site !== false) {
      await this.host.start();
      await this.host.whenReady(20_000);
    }
    return this;
  }

  /** A raw connection to the port. */
  dial(): net.Socket {
    return net.connect(this.port, '127.0.0.1').on('error', () => undefined);
  }

  /** A TLS connection as a browser makes it. */
  browse(): tls.TLSSocket {
    return tls
      .connect({ port: this.port, host: '127.0.0.1', ALPNProtocols: ['http/1.1'], rejectUnauthorized: false })
      .on('error', () => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#front?.close();
    this.#socket.close();
    await this.host.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Everything that `socket` says until it ends or is cut. */
export async function readAll(socket: net.Socket): Promise<string> {
  let text = '';
  try {
    for await (const piece of socket) text += String(piece);
  } catch {
    // Cut: what came before counts.
  }
  return text;
}

/** Reads from `socket` until `wanted` has come. */
export function readUntil(socket: net.Socket, wanted: string | RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const read = (piece: Buffer): void => {
      text += piece.toString('latin1');
      if (!(typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text))) return;
      socket.off('data', read).off('close', cut);
      resolve(text);
    };
    const cut = (): void => reject(new Error(`cut after: ${text}`));
    socket.on('data', read).once('close', cut);
  });
}

/** The ClientHello that a client with these ALPN protocols sends. */
export async function clientHello(alpn: string[]): Promise<Buffer> {
  return await new Promise((resolve) => {
    const server = net.createServer((socket) =>
      socket
        .on('error', () => undefined)
        .once('data', (hello: Buffer) => {
          socket.destroy();
          server.close();
          resolve(hello);
        }),
    );
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      tls
        .connect({ port, host: '127.0.0.1', ALPNProtocols: alpn, servername: 'link.bascule.internal' })
        .on('error', () => undefined);
    });
  });
}
