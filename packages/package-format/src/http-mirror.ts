import { AppError } from '@bascule/errors/app-error.ts';
import type { Mirror } from './mirror.ts';

/** Without an answer, or without one more byte of it, for this long, the mirror counts as gone. */
const DEFAULT_TIMEOUT_MS = 30_000;
/** For one metadata file, however slowly its bytes drip. */
const METADATA_DEADLINE_MS = 120_000;
const REASON_LIMIT_CHARACTERS = 200;

/** A mirror behind HTTP or HTTPS: any web server that gives out `metadata/` and `targets/`. Redirects are refused: they would carry headers elsewhere. */
export class HttpMirror implements Mirror {
  readonly #url: string;
  readonly #metadataUrl: string;
  readonly #targetsUrl: string;
  readonly #headers: () => Record<string, string>;
  readonly #timeoutMs: number;

  /** `url` is the folder above `metadata/` and `targets/`, unless these are given apart. `headers` is asked before each request. Throws `MIRROR_URL`. */
  constructor(options: {
    url: string;
    metadataUrl?: string;
    targetsUrl?: string;
    headers?(): Record<string, string>;
    timeoutMs?: number;
  }) {
    const url = folderUrl(options.url);
    this.#url = url.replace(/\/$/, '');
    this.#metadataUrl = folderUrl(options.metadataUrl ?? `${url}metadata/`);
    this.#targetsUrl = folderUrl(options.targetsUrl ?? `${url}targets/`);
    this.#headers = () => ({ 'accept-encoding': 'identity', ...options.headers?.() });
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  describe(): string {
    return this.#url;
  }

  async metadata(name: string, maxBytes: number, signal?: AbortSignal): Promise<Buffer | undefined> {
    const watch = new Watch(this.#timeoutMs, signal, METADATA_DEADLINE_MS);
    try {
      const response = await this.#get(`${this.#metadataUrl}${name}`, {}, watch);
      if (response.status === 404 || response.status === 403) {
        await response.body?.cancel();
        return undefined;
      }
      if (response.status !== 200) throw await this.#refusal(response, name);
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of bodyOf(response)) {
        watch.alive();
        bytes += chunk.length;
        if (bytes > maxBytes)
          throw new AppError(
            'too-large',
            'MIRROR_TOO_LARGE',
            `${this.#url} gives more than ${maxBytes} bytes for ${name}; that was refused.`,
          );
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } catch (error) {
      throw this.#fault(error, signal, watch);
    } finally {
      watch.stop();
    }
  }

  async *target(path: string, from: number, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const watch = new Watch(this.#timeoutMs, signal);
    const range: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    try {
      const response = await this.#get(`${this.#targetsUrl}${path.split('/').map(encodeURIComponent).join('/')}`, range, watch);
      if (response.status === 404 || response.status === 416)
        throw new AppError(
          'not-found',
          'MIRROR_TARGET_MISSING',
          `${this.#url} does not have ${path}, or not all of it. Try another mirror, or try again later.`,
        );
      if (response.status !== 200 && response.status !== 206) throw await this.#refusal(response, path);
      let skip = response.status === 200 ? from : 0;
      if (response.status === 206) checkRange(response, from, this.#url);
      for await (const chunk of bodyOf(response)) {
        watch.alive();
        const part = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - part.length;
        if (part.length === 0) continue;
        watch.pause();
        yield part;
        watch.alive();
      }
    } catch (error) {
      throw this.#fault(error, signal, watch);
    } finally {
      watch.stop();
    }
  }

  async #get(url: string, headers: Record<string, string>, watch: Watch): Promise<Response> {
    const response = await fetch(url, { headers: { ...this.#headers(), ...headers }, redirect: 'manual', signal: watch.signal });
    if (response.status < 300 || response.status >= 400) return response;
    await response.body?.cancel();
    throw new AppError(
      'unavailable',
      'MIRROR_REDIRECTS',
      `${this.#url} sends to another address. Redirects are not followed; enter the right address of the update server.`,
    );
  }

  async #refusal(response: Response, name: string): Promise<AppError> {
    await response.body?.cancel();
    const retryAfterSeconds = Number(response.headers.get('retry-after') ?? '') || undefined;
    const message = `${this.#url} answered ${response.status} when asked for ${name}. Try again later, or install by file.`;
    return new AppError('unavailable', 'MIRROR_UNREACHABLE', message, { retryAfterSeconds });
  }

  #fault(error: unknown, signal: AbortSignal | undefined, watch: Watch): unknown {
    if (error instanceof AppError) return error;
    if (signal?.aborted) return signal.reason;
    const { code, message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException;
    const reason = watch.isExpired
      ? `no answer for ${this.#timeoutMs / 1000} seconds`
      : (code ?? message).replace(/\p{Cc}/gu, ' ').slice(0, REASON_LIMIT_CHARACTERS);
    return new AppError(
      'unavailable',
      'MIRROR_UNREACHABLE',
      `${this.#url} cannot be reached (${reason}). Check the address, the network and the time of the appliance, or install by file.`,
      { cause: error, params: { reason } },
    );
  }
}

/** A time limit that begins anew with each byte, and one for the whole. */
class Watch {
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #timeoutMs: number;
  #timer: NodeJS.Timeout | undefined;
  readonly #deadline: NodeJS.Timeout | undefined;

  constructor(timeoutMs: number, signal: AbortSignal | undefined, deadlineMs?: number) {
    this.#timeoutMs = timeoutMs;
    if (deadlineMs !== undefined) this.#deadline = setTimeout(() => this.#controller.abort(), deadlineMs);
    this.signal = signal ? AbortSignal.any([signal, this.#controller.signal]) : this.#controller.signal;
    this.alive();
  }

  get isExpired(): boolean {
    return this.#controller.signal.aborted;
  }

  alive(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), this.#timeoutMs);
  }

  /** While the receiver is busy (a rate limit), the mirror is not to blame. */
  pause(): void {
    clearTimeout(this.#timer);
  }

  stop(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#timer);
  }
}

async function* bodyOf(response: Response): AsyncGenerator<Uint8Array> {
  if (response.body) yield* response.body as unknown as AsyncIterable<Uint8Array>;
}

function checkRange(response: Response, from: number, url: string): void {
  const range = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '');
  if (range && Number(range[1]) === from) return;
  throw new AppError(
    'unavailable',
    'MIRROR_UNREACHABLE',
    `${url} gives another part of the file than it was asked for. Try another mirror.`,
  );
}

function folderUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    !url ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  )
    throw new AppError(
      'invalid',
      'MIRROR_URL',
      'The address of the update server must be like https://updates.example.net, without user name or query.',
    );
  return url.href.endsWith('/') ? url.href : `${url.href}/`;
}
