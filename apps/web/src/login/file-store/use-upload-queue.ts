import { useCallback, useEffect, useRef, useState } from 'react';
import { useApi } from '../../shared/api-context.tsx';
import { useRefreshFileStore } from './file-store-queries.ts';
import { QUEUE_MAX_FILES, refusalOf, storeFile, UploadDiscarded, type QueuedUpload, type Refusal } from './upload-queue.ts';

export interface RefusedFile {
  name: string;
  why: Refusal;
}

/** Files on their way into the store, one after the other. What was refused or has failed stays in the list until it is cleared. */
export function useUploadQueue(uploadMaxBytes: number) {
  const api = useApi();
  const refresh = useRefreshFileStore();
  const [queue, setQueue] = useState<QueuedUpload[]>([]);
  const [refused, setRefused] = useState<RefusedFile[]>([]);
  const nextKey = useRef(1);
  const running = useRef<{ key: number; abort: AbortController }>(undefined);
  useEffect(() => () => running.current?.abort.abort(), []);
  const patch = useCallback((key: number, part: Partial<QueuedUpload>) => {
    setQueue((before) => before.map((one) => (one.key === key ? { ...one, ...part } : one)));
  }, []);

  const next = queue.find(({ state }) => state === 'waiting');
  const isSending = queue.some(({ state }) => state === 'sending');
  useEffect(() => {
    if (next === undefined || isSending) return;
    const abort = new AbortController();
    running.current = { key: next.key, abort };
    patch(next.key, { state: 'sending' });
    storeFile(api, next.file, abort.signal, (sentBytes) => patch(next.key, { sentBytes }))
      .then(() => patch(next.key, { state: 'done', sentBytes: next.file.size }))
      .catch((error: unknown) => patch(next.key, abort.signal.aborted ? { state: 'stopped' } : { state: 'failed', error }))
      .finally(() => void refresh());
  }, [next, isSending, api, patch, refresh]);

  const add = (files: readonly File[]) => {
    const open = queue.filter(({ state }) => state === 'waiting' || state === 'sending').length;
    const found = files.map((file, index) => ({ file, why: refusalOf(file, uploadMaxBytes) ?? tooMany(open + index) }));
    setRefused(found.flatMap(({ file, why }) => (why === undefined ? [] : [{ name: file.name, why }])));
    const taken = found.filter(({ why }) => why === undefined).map(({ file }) => file);
    setQueue((before) => [
      ...before.filter(({ state }) => state !== 'done' && state !== 'stopped'),
      ...taken.map((file) => ({ key: nextKey.current++, file, state: 'waiting' as const, sentBytes: 0 })),
    ]);
  };
  const stop = (key: number) => {
    if (running.current?.key === key) running.current.abort.abort(new UploadDiscarded('stopped'));
    patch(key, { state: 'stopped' });
  };
  const retry = (key: number) => patch(key, { state: 'waiting', sentBytes: 0, error: undefined });
  const clear = () => {
    setQueue((before) => before.filter(({ state }) => state === 'waiting' || state === 'sending'));
    setRefused([]);
  };
  return { queue, refused, add, stop, retry, clear };
}

function tooMany(position: number): Refusal | undefined {
  return position >= QUEUE_MAX_FILES ? 'many' : undefined;
}
