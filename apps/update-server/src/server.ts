/** The update server, put together. */
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { AppError } from '@bascule/errors/app-error.ts';
import { createLog, type Log } from '@bascule/log/log.ts';
import type { Mailer } from '@bascule/mail/mailer.ts';
import { readKeyFile } from '@bascule/package-format/tuf-keys.ts';
import { keepLogShort } from '@bascule/store/short-log.ts';
import { SYSTEM, type Store } from '@bascule/store/store.ts';
import { Bundles } from './bundles.ts';
import { createUpdateServer } from './http-server.ts';
import { NOTICE_EVERY_MS, writeNotices, type NoticeParts } from './notices.ts';
import type { OfferRules } from './offers.ts';
import { Registry } from './registry.ts';
import { Repository } from './repository.ts';
import { trustConfirmed } from './server-events.ts';
import { openState } from './state.ts';

export interface ServeOptions {
  repository: string;
  state: string;
  port: number;
  /** Numeric. */
  listen: string;
  /** By which people and appliances reach the server; its own address when undefined. */
  name: string | undefined;
  tls: { certificate: string; key: string } | undefined;
  /** A folder with `snapshot.pem` and `timestamp.pem`; undefined when another machine renews them. */
  onlineKeys: string | undefined;
  registration: 'open' | 'closed';
  rules: Omit<OfferRules, 'schedule'>;
}

export class UpdateServer {
  readonly url: string;
  readonly #app: FastifyInstance;
  readonly #store: Store;
  readonly #endTrimming: () => void;
  readonly #mailer: Mailer;
  readonly #repository: Repository;
  readonly #timer: NodeJS.Timeout;

  private constructor(parts: {
    url: string;
    app: FastifyInstance;
    store: Store;
    mailer: Mailer;
    repository: Repository;
    notices: NoticeParts;
  }) {
    this.url = parts.url;
    this.#app = parts.app;
    this.#store = parts.store;
    this.#mailer = parts.mailer;
    this.#repository = parts.repository;
    const write = (): void => {
      try {
        writeNotices(parts.notices);
      } catch (error) {
        parts.notices.log.error({ err: error }, 'notices.failed');
      }
    };
    this.#timer = setInterval(write, NOTICE_EVERY_MS).unref();
    parts.repository.onChange(write);
    write();
    this.#endTrimming = keepLogShort(parts.store, (error) => parts.notices.log.warn({ err: error }, 'state.log-not-trimmed'));
  }

  /** Opens state and repository and listens. Throws the AppErrors of both, and TLS_FILES_UNREADABLE. */
  static async start(
    options: ServeOptions,
    log: Log = createLog('update-server'),
    now: () => number = Date.now,
  ): Promise<UpdateServer> {
    const tls = options.tls === undefined ? undefined : await readTls(options.tls);
    const onlineKeys =
      options.onlineKeys === undefined
        ? []
        : await Promise.all(['snapshot.pem', 'timestamp.pem'].map((file) => readKeyFile(join(options.onlineKeys ?? '', file))));
    const { store, mailer } = openState(options.state, log, now);
    try {
      const repository = await Repository.open(
        { directory: options.repository, trustDirectory: join(options.state, 'trusted'), onlineKeys, log, now },
        ({ sha256, version }) => store.transact(SYSTEM, trustConfirmed({ sha256, version }), () => undefined),
      );
      const { rules, registration } = options;
      const registry = new Registry({ store, now, registration });
      const bundles = new Bundles({ store, repository, registry, rules, now });
      let ownUrl = '';
      const url = (): string => options.name?.replace(/\/+$/, '') ?? ownUrl;
      const app = createUpdateServer({ store, repository, registry, bundles, rules, url, tls, log, now });
      await app.listen({ port: options.port, host: options.listen }).catch((error: NodeJS.ErrnoException) => {
        throw cannotListen(options, error);
      });
      const { port } = app.server.address() as AddressInfo;
      const host = options.listen.includes(':') ? `[${options.listen}]` : options.listen;
      ownUrl = `${tls === undefined ? 'http' : 'https'}://${host}:${port}`;
      repository.watch();
      mailer.start();
      return new UpdateServer({
        url: url(),
        app,
        store,
        mailer,
        repository,
        notices: { store, repository, mailer, rules, url, now, log },
      });
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /** Reads the certificate and its key again, for new connections. Throws TLS_FILES_UNREADABLE; a pair that does not fit leaves the old one. */
  async reloadTls(files: ServeOptions['tls']): Promise<void> {
    const { server } = this.#app;
    if (files !== undefined && 'setSecureContext' in server)
      (server as unknown as TlsServer).setSecureContext(await readTls(files));
  }

  /** Ends every connection and closes the state. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#endTrimming();
    await this.#app.close();
    await this.#repository.close();
    await this.#mailer.close();
    this.#store.close();
  }
}

async function readTls({ certificate, key }: { certificate: string; key: string }): Promise<{ cert: Buffer; key: Buffer }> {
  const read = (file: string): Promise<Buffer> =>
    readFile(file).catch((error: NodeJS.ErrnoException) => {
      throw new AppError('invalid', 'TLS_FILES_UNREADABLE', `${file} cannot be read (${error.code}).`);
    });
  return { cert: await read(certificate), key: await read(key) };
}

function cannotListen({ listen, port }: ServeOptions, error: NodeJS.ErrnoException): AppError {
  const reason =
    error.code === 'EADDRINUSE'
      ? 'something else listens there'
      : error.code === 'EACCES'
        ? 'this user may not'
        : (error.code ?? error.message);
  return new AppError(
    'conflict',
    'PORT_UNAVAILABLE',
    `Cannot listen on ${listen} port ${port}: ${reason}. Choose another with --port.`,
    {
      cause: error,
    },
  );
}
