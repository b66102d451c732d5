import type { Mirror } from './mirror.ts';
export class HttpMirror implements Mirror {
  readonly #url: string;
  constructor(options: { url: string; headers?(): Record<string, string>; timeoutMs?: number }) {
    this.#url = options.url;
  }
  async metadata(_name: string, _maxBytes: number, _signal?: AbortSignal): Promise<Buffer | undefined> {
    return undefined;
  }
  async *target(_path: string, _from: number, _signal?: AbortSignal): AsyncIterable<Uint8Array> {}
  describe(): string {
    return this.#url;
  }
}
