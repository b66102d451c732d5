/** Serves the built pages with an appliance that only says what a test tells it to say: for states that a real one is in for a moment only. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { pagePolicy } from '@bascule/http/security-headers.ts';
import type { MailState, NtpState, PreflightLine, UpdatesState } from '@bascule/protocol/api/updates.ts';
import { CHECKOUT } from '@bascule/testkit/launch-appliance.ts';
import { mailOf, ntpOf, PREFLIGHT, ROOT_SHA256, stateOf } from './states.ts';

const DIST = join(CHECKOUT, 'apps', 'web', 'dist');
const BODY_MAX_BYTES = 32 * 1024 * 1024;
const KEY_LIFE_MS = 24 * 60_000;
const TYPES: Record<string, string> = {
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.html': 'text/html; charset=utf-8',
};

interface Upload {
  id: string;
  name: string;
  totalBytes: number;
  bytes: Buffer;
}
export interface Asked {
  method: string;
  path: string;
  body: unknown;
}
type Refusal = { status: number; code: string; message: string; params?: Record<string, string | number> };

export class FixtureServer implements AsyncDisposable {
  updates: UpdatesState = stateOf();
  ntp: NtpState = ntpOf('synchronised');
  mail: MailState = mailOf();
  preflight: PreflightLine[] = PREFLIGHT;
  history: unknown[] = [];
  log = '';
  language = 'en';
  /** While true every request to the API is cut off, as when base is replaced. */
  isSilent = false;
  /** Refuses the next request of this method and path. */
  readonly refusals = new Map<string, Refusal>();
  /** The changing requests, in order. */
  readonly asked: Asked[] = [];
  readonly uploads = new Map<string, Upload>();
  /** Cuts the connection in the middle of the upload part that reaches this many bytes. */
  cutUploadAt: number | undefined;
  /** What a test says beside the updates: by method and path, such as `GET /fleet/rollout`. */
  readonly answers = new Map<string, (url: URL, body: unknown) => unknown>();
  readonly #server: Server;
  readonly #dist: string;

  /** `dist`: the built pages. */
  constructor(dist = DIST) {
    this.#dist = dist;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fixture');
    if (!/^(\/appliance)?\/api\//.test(url.pathname)) return page(this.#dist, url.pathname, response);
    if (this.isSilent) return void request.socket.destroy();
    const path = url.pathname.replace(/^(\/appliance)?\/api/, '');
    const method = request.method ?? 'GET';
    const raw = await this.#read(request, path, url);
    if (raw === undefined) return;
    const isJson = request.headers['content-type'] === 'application/json';
    const body: unknown = isJson ? JSON.parse(raw.toString()) : undefined;
    if (method !== 'GET') this.asked.push({ method, path, body });
    const refusal = this.refusals.get(`${method} ${path}`);
    if (refusal !== undefined) {
      this.refusals.delete(`${method} ${path}`);
      const { status, ...error } = refusal;
      return json(response, { error: { ...error, requestId: 'fixture' } }, status);
    }
    if (path.endsWith('/log')) return void response.writeHead(200, { 'content-type': 'text/plain' }).end(this.log);
    const found = path.startsWith('/updates/uploads') ? this.#upload(method, path, body) : this.#route(method, path, url, body);
    json(
      response,
      found ?? { error: { code: 'NOT_FOUND', message: path, requestId: 'fixture' } },
      found === undefined ? 404 : 200,
    );
  }

  /** The body; bytes of an upload are kept also when the connection is cut. */
  async #read(request: IncomingMessage, path: string, url: URL): Promise<Buffer | undefined> {
    const upload = this.uploads.get(path.split('/')[3] ?? '');
    const from = Number(url.searchParams.get('from'));
    if (request.method === 'PUT' && upload !== undefined && from !== upload.bytes.length) {
      const params = { receivedBytes: upload.bytes.length };
      this.refusals.set(`PUT ${path}`, { status: 409, code: 'UPLOAD_OFFSET', message: 'Go on from there.', params });
    }
    const parts: Buffer[] = [];
    let size = 0;
    for await (const part of request) {
      parts.push(part as Buffer);
      size += (part as Buffer).length;
      if (size > BODY_MAX_BYTES) throw new Error('the body is too long');
      if (upload !== undefined && this.cutUploadAt !== undefined && from + size >= this.cutUploadAt) {
        upload.bytes = Buffer.concat([upload.bytes, ...parts]);
        this.cutUploadAt = undefined;
        request.socket.destroy();
        return undefined;
      }
    }
    const raw = Buffer.concat(parts);
    if (upload !== undefined && request.method === 'PUT' && from === upload.bytes.length)
      upload.bytes = Buffer.concat([upload.bytes, raw]);
    return raw;
  }

  #upload(method: string, path: string, body: unknown): unknown {
    if (path === '/updates/uploads' && method === 'POST') {
      const { name, totalBytes } = body as Upload;
      const known = [...this.uploads.values()].find((one) => one.name === name && one.totalBytes === totalBytes);
      const upload = known ?? { id: `up_${this.uploads.size + 1}`, name, totalBytes, bytes: Buffer.alloc(0) };
      this.uploads.set(upload.id, upload);
      return { id: upload.id, receivedBytes: upload.bytes.length };
    }
    const id = path.split('/')[3] ?? '';
    const upload = this.uploads.get(id);
    if (upload === undefined) return undefined;
    if (method === 'DELETE') {
      this.uploads.delete(id);
      return { ok: true };
    }
    if (path.endsWith('/finish')) return { targets: ['site/bascule-site-0.2.0.tar.zst'] };
    return { id, receivedBytes: upload.bytes.length };
  }

  #route(method: string, path: string, url: URL, body: unknown): unknown {
    const said = this.answers.get(`${method} ${path}`);
    if (said !== undefined) return said(url, body);
    const now = Date.now();
    const answers: Record<string, () => unknown> = {
      'GET /auth/me': () => me(this.language),
      'GET /state': () => ({ applianceName: 'alpha', siteReady: true, siteState: 'ready' }),
      'GET /status': () => ({}),
      'GET /whoami/appliance': () => ({ appliance: 'alpha', role: 'single', peer: null, primaryUrl: null, alarms: [] }),
      'GET /changes/pending': () => ({ pending: null }),
      'GET /login-banner': () => ({ text: '' }),
      'GET /erasure-report': () => ({ report: null }),
      'GET /account/api-tokens': () => ({ tokens: [] }),
      'GET /updates/state': () => this.#state(now),
      'GET /updates/history': () => ({ installations: this.history }),
      'GET /updates/eula': () => ({ target: url.searchParams.get('target'), sha256: 'ab'.repeat(32), text: EULA }),
      'POST /updates/eula': () => {
        const { target } = body as { target: string };
        const offer = this.updates.offers.find((one) => one.target === target);
        if (offer !== undefined) offer.eulaAccepted = { by: 'admin', atMs: now };
        return { ok: true };
      },
      'POST /updates/preflight': () => ({ lines: this.preflight }),
      'POST /updates/trust/fetch': () => ({
        rootSha256: ROOT_SHA256,
        rootVersion: 1,
        validUntilMs: now + 300 * 86_400_000,
        threshold: 2,
        keys: ['a', 'b', 'c'],
      }),
      'POST /updates/download-key': () => ({ text: KEY, expiresAtMs: now + KEY_LIFE_MS }),
      'PUT /updates/settings': () => {
        this.updates.settings = body as UpdatesState['settings'];
        return { ok: true };
      },
      'GET /network/ntp': () => this.ntp,
      'GET /support/email': () => this.mail,
      'GET /settings/email': () => this.mail,
    };
    const answer = answers[`${method} ${path}`];
    if (answer !== undefined) return answer();
    if (/^\/updates\/(install|download|trial|roll-back)$/.test(path)) return { id: 'in_1' };
    return method === 'GET' ? undefined : { ok: true };
  }

  #state(now: number): UpdatesState {
    const uploads = [...this.uploads.values()].map(({ id, name, totalBytes, bytes }) => ({
      id,
      name,
      totalBytes,
      receivedBytes: bytes.length,
    }));
    const movedMs = now - this.updates.nowMs;
    const { clock } = this.updates;
    return {
      ...this.updates,
      nowMs: now,
      clock: { ...clock, systemMs: clock.systemMs + movedMs, effectiveMs: clock.effectiveMs + movedMs },
      uploads: [...this.updates.uploads, ...uploads.filter((upload) => upload.receivedBytes < upload.totalBytes)],
    };
  }
}

function page(dist: string, path: string, response: ServerResponse): void {
  const output = path.startsWith('/appliance') ? 'appliance' : 'site';
  const asset = /(?:^|\/appliance)\/(assets\/.+)$/.exec(path)?.[1];
  const file = asset ?? (output === 'appliance' ? 'appliance.html' : 'login.html');
  const nonce = randomBytes(16).toString('base64url');
  const content = readFileSync(join(dist, output, normalize(`/${file}`)));
  response.writeHead(200, {
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    ...(asset === undefined && { 'content-security-policy': pagePolicy(nonce) }),
  });
  response.end(asset === undefined ? content.toString().replaceAll('__CSP_NONCE__', nonce) : content);
}

function json(response: ServerResponse, content: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(content));
}

/** Who is logged in. */
export function me(language: string, role: 'administrator' | 'user' = 'administrator'): unknown {
  const endsAtMs = Date.now() + 3_600_000;
  return {
    id: 'us_1',
    name: 'admin',
    displayName: 'Administrator',
    role,
    state: 'ok',
    secondFactors: [],
    csrf: 'fixture',
    language,
    languageChosen: true,
    loginSession: 'lgs_018f3a5c-7b2d-7e6f-8091-a2b3c4d5e6f7',
    idleEndsAtMs: endsAtMs,
    endsAtMs,
  };
}

const EULA = `LICENCE AGREEMENT\n\n${'You may use this software on as many appliances as you like, for any purpose, and study, change and give it away under the terms of the Apache License 2.0. '.repeat(12)}`;
const KEY = `-----BEGIN KEY-----\n${Array.from({ length: 14 }, () => 'eyJhcHBsaWFuY2UiOiJhbHBoYSIsInJvb3QiOjEsImluc3RhbGxlZCI6eyJiYXNl').join('\n')}\n-----END KEY-----`;
