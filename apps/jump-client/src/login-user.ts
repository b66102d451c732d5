import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';

export interface LoginUser {
  name: string;
  home: string;
  shell: string;
}

/** The user this program runs as, with home and login shell from the password database. `BASCULE_SHELL` names another shell for all sessions. */
export function readLoginUser(chosen = process.env['BASCULE_SHELL']): LoginUser {
  const user = userInfo();
  return { name: user.username, home: user.homedir, shell: chosen || user.shell || '/bin/sh' };
}

/**
 * The environment of a session's shell: what a login gives, and nothing of this program's own (no library path of the bundled runtime, no
 * NODE_ or BASCULE_ variable).
 */
export function shellEnvironment(user: LoginUser, term: string, language = systemLanguage()): Record<string, string> {
  return {
    HOME: user.home,
    USER: user.name,
    LOGNAME: user.name,
    SHELL: user.shell,
    TERM: term,
    LANG: language,
    PATH:
      user.name === 'root'
        ? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
        : '/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games',
  };
}

/** The system's language, else UTF-8 without one. */
function systemLanguage(): string {
  for (const file of ['/etc/default/locale', '/etc/locale.conf']) {
    try {
      const language = /^LANG="?([A-Za-z0-9_.@-]+)"?$/m.exec(readFileSync(file, 'utf8'))?.[1];
      if (language !== undefined) return language;
    } catch {
      // The file is optional.
    }
  }
  return 'C.UTF-8';
}
