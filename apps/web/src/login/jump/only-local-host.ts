const HOST = /https:\/\/(\[[^\]]+\]|[^:/\s'"]+)/;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/i;

/** The host that an install command names, if every machine means itself by it; undefined when other machines can use the command. */
export function onlyLocalHost(command: string): string | undefined {
  const host = HOST.exec(command)?.[1];
  return host !== undefined && LOOPBACK.test(host) ? host : undefined;
}
