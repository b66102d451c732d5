import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { win32 } from 'node:path';

/** What a program needs of Windows' own environment; everything else is this program's. */
const WINDOWS_VARIABLES = [
  'ALLUSERSPROFILE',
  'APPDATA',
  'COMPUTERNAME',
  'ComSpec',
  'LOCALAPPDATA',
  'NUMBER_OF_PROCESSORS',
  'OS',
  'PATHEXT',
  'PROCESSOR_ARCHITECTURE',
  'ProgramData',
  'ProgramFiles',
  'ProgramFiles(x86)',
  'PSModulePath',
  'PUBLIC',
  'SystemDrive',
  'SystemRoot',
  'TEMP',
  'TMP',
  'USERDOMAIN',
  'windir',
];

export interface LoginUser {
  name: string;
  home: string;
  shell: string;
}

/** The user this program runs as, with home and login shell from the password database. `BASCULE_SHELL` names another shell for all sessions. */
export function readLoginUser(chosen = process.env['BASCULE_SHELL']): LoginUser {
  const user = userInfo();
  if (process.platform === 'win32')
    return { name: user.username, home: user.homedir, shell: chosen || windowsShell(process.env, existsSync) };
  return { name: user.username, home: user.homedir, shell: chosen || user.shell || '/bin/sh' };
}

/**
 * The environment of a session's shell: what a login gives, and nothing of this program's own (no library path of the bundled runtime, no
 * NODE_ or BASCULE_ variable).
 */
export function shellEnvironment(user: LoginUser, term: string, language = systemLanguage()): Record<string, string> {
  if (process.platform === 'win32') return windowsEnvironment(user, term, process.env);
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

/** The path of one of Windows' own programs: never looked for by its name alone. */
export function systemProgram(name: string, env: NodeJS.ProcessEnv): string {
  return win32.join(env['SystemRoot'] ?? 'C:\\Windows', 'System32', name);
}

/** Windows has no login shells: PowerShell where it is, else the command prompt. */
export function windowsShell(env: NodeJS.ProcessEnv, isThere: (file: string) => boolean): string {
  const powerShell = systemProgram('WindowsPowerShell\\v1.0\\powershell.exe', env);
  return isThere(powerShell) ? powerShell : systemProgram('cmd.exe', env);
}

/** As `shellEnvironment`, of what Windows gives to a program. */
export function windowsEnvironment(user: LoginUser, term: string, env: NodeJS.ProcessEnv): Record<string, string> {
  const own = Object.entries(env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && WINDOWS_VARIABLES.some((name) => name.toLowerCase() === entry[0].toLowerCase()),
  );
  const path = Object.entries(env).find(([name]) => name.toLowerCase() === 'path')?.[1] ?? '';
  return { ...Object.fromEntries(own), PATH: path, USERNAME: user.name, USERPROFILE: user.home, TERM: term };
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
