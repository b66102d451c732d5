import { userInfo } from 'node:os';

/** Whom this process runs as, for people; `uid 10001` where the machine has no name for it, as in containers. */
export function ownUserName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
