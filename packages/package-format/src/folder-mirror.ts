import type { Mirror } from './mirror.ts';
export class FolderMirror implements Mirror {
  readonly #directory: string;
  constructor(directory: string) {
    this.#directory = directory;
  }
  async metadata(_name: string, _maxBytes: number, _signal?: AbortSignal): Promise<Buffer | undefined> {
    return undefined;
  }
  async *target(_path: string, _from: number, _signal?: AbortSignal): AsyncIterable<Uint8Array> {}
  describe(): string {
    return this.#directory;
  }
}
