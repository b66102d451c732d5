/** Headers that belong to one hop (RFC 9110, 7.6.1): each end of what passes a message on has its own. */
const HOP_HEADERS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** Those of `rawHeaders` (name, value, name, value, ...) that `isWanted` knows by their name in lower case, without what is for this hop and what `connection` names. */
export function endToEndHeaders(rawHeaders: readonly string[], isWanted: (name: string) => boolean): string[] {
  const named = new Set<string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.toLowerCase() === 'connection')
      for (const name of rawHeaders[i + 1]!.split(',')) named.add(name.trim().toLowerCase());
  }
  // Framing is decided by whoever passes it on, not by what `connection` lists: a request must not lose its length on the way.
  named.delete('content-length');
  named.delete('host');
  const kept: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (!HOP_HEADERS.has(name) && !named.has(name) && isWanted(name)) kept.push(rawHeaders[i]!, rawHeaders[i + 1]!);
  }
  return kept;
}
