/** The `.tar.gz`: a program folder with install.sh beside it, for machines that cannot reach the appliance's web while they install, or have no curl. */
import type { ClientMode, ClientProgram } from '@bascule/protocol/client-program.ts';
import { launcherName, PROGRAM_TITLES } from './launcher.ts';
import { programEntries, runtimeEntries, type ProgramParts } from './program-files.ts';
import { FINISH, finishInstallation } from './shell-finish.ts';
import { CHECK_SPACE, checks, chooseTarget, IS_NEWER, POINT, quotedUrl, SAVE_PROXY, WRITE_SETTINGS } from './shell-parts.ts';
import { sizeOf, tarGzPieces, tarPieces, type Piece, type TarEntry } from './tar-pieces.ts';

export interface FolderValues {
  siteUrl: string;
  mode: ClientMode;
  waitsForVersion: string | null;
  /** Beside install.sh, 0600; undefined: it is typed later. */
  key: string | undefined;
}

/** The whole archive; everything lies in one folder, `bascule-<program>-<version>`. */
export async function folderArchivePieces(parts: ProgramParts, values: FolderValues): Promise<Piece[]> {
  const files = [...programEntries(parts), ...runtimeEntries(parts.runtime, { withLibraries: true })];
  const top = `${launcherName(parts.program)}-${parts.bundle.about.version}`;
  const unpackedKib = Math.ceil(sizeOf(tarPieces(files)) / 1024);
  const script = installScript(parts.program, parts.bundle.folder, unpackedKib, values);
  const entries: TarEntry[] = [
    { path: 'install.sh', mode: 0o755, content: Buffer.from(script) },
    ...(values.key === undefined ? [] : [{ path: 'key', mode: 0o600, content: Buffer.from(`${values.key}\n`) }]),
    ...files.map((entry) => ({ ...entry, path: `files/${entry.path}` })),
  ];
  return await tarGzPieces(entries.map((entry) => ({ ...entry, path: `${top}/${entry.path}` })));
}

function installScript(program: ClientProgram, bundleFolder: string, unpackedKib: number, values: FolderValues): string {
  const launcher = launcherName(program);
  return `#!/bin/sh
# Installs the Bascule ${PROGRAM_TITLES[program]} from this folder; 'sh install.sh --uninstall' removes it.
# FOREGROUND=1 runs it here instead of as a service; PREFIX=DIR installs into another directory.
set -eu
umask 077
site=${quotedUrl(values.siteUrl)}
from=$(dirname -- "$(readlink -f -- "$0")")
${checks(program, ['cp', 'mv', 'readlink'])}${chooseTarget(program)}
${IS_NEWER}${POINT}${WRITE_SETTINGS}${SAVE_PROXY}${FINISH}
if [ "\${1:-}" = --uninstall ]; then
  [ -f "$target/installed.json" ] || fail "nothing is installed in $target."
  if [ "$user" = 0 ]; then
    systemctl disable --now ${launcher}.service >/dev/null 2>&1 || true
    rm -f /etc/systemd/system/${launcher}.service
    systemctl daemon-reload >/dev/null 2>&1 || true
  else
    systemctl --user disable --now ${launcher}.service >/dev/null 2>&1 || true
    rm -f "\${HOME:-/nonexistent}/.config/systemd/user/${launcher}.service"
    systemctl --user daemon-reload >/dev/null 2>&1 || true
  fi
  stop_programs
  for link in bascule bascule-client ${launcher}; do
    if [ "$(readlink "/usr/local/bin/$link" 2>/dev/null || true)" = "$target/${launcher}" ]; then rm -f "/usr/local/bin/$link"; fi
  done
  rm -rf "$target"
  echo "Removed $target."
  exit 0
fi
made_target=
[ -d "$target" ] || made_target=1
mkdir -p "$target" 2>/dev/null || fail "the directory $target cannot be made: run as root, or set PREFIX to another directory."
${CHECK_SPACE}check_space ${Math.ceil(unpackedKib * 1.1)}
key=\${BASCULE_KEY:-\${BASCULE_TOKEN:-}}
unset BASCULE_KEY BASCULE_TOKEN
key_file=
if [ -z "$key" ] && [ -r "$from/key" ]; then
  key_file=$from/key
  key=$(cat "$key_file")
fi
work=$(mktemp -d "$target/.install.XXXXXX") || fail "nothing can be written into $target."
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cp -R "$from/files" "$work/files" || fail "the files could not be copied to $target: is the disk full?"
package=tar
mode=\${BASCULE_MODE:-${values.mode}}
${finishInstallation({ program, bundleFolder, waitsForVersion: values.waitsForVersion })}`;
}
