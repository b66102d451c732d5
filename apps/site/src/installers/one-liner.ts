/** The shell one-liner: a script that anybody may read and that pins what it fetches, and the command that pins the script. */
import type { ClientMode } from '@bascule/protocol/client-program.ts';
import { launcherName, PROGRAM_TITLES } from './launcher.ts';
import {
  CHECK_SPACE,
  checks,
  chooseTarget,
  IS_NEWER,
  POINT,
  quotedKey,
  quotedUrl,
  SAVE_PROXY,
  WRITE_SETTINGS,
} from './shell-parts.ts';
import { FINISH, finishInstallation } from './shell-finish.ts';

export interface ScriptValues {
  program: 'jump-client' | 'jumpoint';
  /** https://host:port, without a slash at the end. */
  siteUrl: string;
  /** SHA-256 of the web certificate's public key, base64. */
  webKeyPin: string;
  /** The folder in `bundles/` that it brings. */
  bundleFolder: string;
  runtimeFolder: string;
  runtime: { sha256: string; bytes: number };
  programFiles: { sha256: string; bytes: number };
  /** The version of the appliance that such clients wait for; null: they connect at once. */
  waitsForVersion: string | null;
  /** Only in files that are handed to whoever may have the key. */
  key?: string;
  mode?: ClientMode;
}

/** Needed beside the archives' own size: unpacked copies, state, a margin. */
const SPACE_FACTOR = 2.2;

/**
 * The installer for any Linux x64 with sh, curl, tar and sha256sum. Without `key` it carries no secret; the command that fetches it pins its hash, and it
 * pins the hashes of what it fetches. The key comes in BASCULE_TOKEN.
 */
export function installerScript(values: ScriptValues): string {
  const { program, runtime, programFiles, waitsForVersion } = values;
  const neededKib = Math.ceil(((runtime.bytes + programFiles.bytes) * SPACE_FACTOR) / 1024);
  return `#!/bin/sh
# Installs the Bascule ${PROGRAM_TITLES[program]}. FOREGROUND=1 runs it here instead of as a service; PREFIX=DIR installs into another directory.
set -eu
umask 077
site=${quotedUrl(values.siteUrl)}
pin='sha256//${values.webKeyPin}'
runtime='${runtime.sha256}'
program_files='${programFiles.sha256}'
${values.key === undefined ? '' : `BASCULE_TOKEN=\${BASCULE_TOKEN:-${quotedKey(values.key)}}\n`}
${checks(program, ['curl', 'tar', 'sha256sum'])}${chooseTarget(program)}
made_target=
[ -d "$target" ] || made_target=1
mkdir -p "$target" 2>/dev/null || fail "the directory $target cannot be made: run as root, or set PREFIX to another directory."
key=\${BASCULE_TOKEN:-\${BASCULE_KEY:-}}
unset BASCULE_TOKEN BASCULE_KEY
if [ ! -e "$target/state/identity.json" ] && [ -z "$key" ]; then
  fail "BASCULE_TOKEN is missing: copy the whole command from the page that made the installer token."
fi
${CHECK_SPACE}check_space ${neededKib}

work=$(mktemp -d "$target/.install.XXXXXX") || fail "nothing can be written into $target."
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# fetch NAME SHA256: downloads, checks and unpacks into $work/files.
fetch() {
  compressed=
  curl --version | grep -qi 'libz' && compressed=--compressed
  # An appliance with many downloads under way answers 503.
  curl -fsS -k --retry 5 $compressed --pinnedpubkey "$pin" -o "$work/$1.tar" "$site/install/$1-$2.tar" \\
    || fail "$site/install/$1-$2.tar could not be fetched (curl says why above): is the appliance reachable, and its certificate still the same?"
  echo "$2  $work/$1.tar" | sha256sum -c - >/dev/null 2>&1 || fail "what came as $1 is not what it should be (wrong SHA-256): nothing was installed."
  tar -x -f "$work/$1.tar" -C "$work/files" 2>/dev/null || fail "the archive $1 could not be unpacked: is the disk full?"
  rm -f "$work/$1.tar"
}
mkdir "$work/files"
[ -f "$target/runtimes/${values.runtimeFolder}/bascule-runtime.json" ] || fetch runtime "$runtime"
fetch program "$program_files"
${IS_NEWER}${POINT}${WRITE_SETTINGS}${SAVE_PROXY}${FINISH}
package=sh
mode=\${BASCULE_MODE:-${values.mode ?? 'active'}}
${finishInstallation({ program, bundleFolder: values.bundleFolder, waitsForVersion })}`;
}

/** The one line for an endpoint: pins the TLS key, and the script's hash; the token pins the site identity. */
export function installCommand(values: {
  siteUrl: string;
  webKeyPin: string;
  /** `jump-client.sh`. */
  scriptName: string;
  scriptSha256: string;
  token: string;
  mode?: ClientMode;
}): string {
  // The script stays in a variable: a file could be exchanged by somebody else between the check and the run.
  const fetch = `script="$(curl -fsSk --pinnedpubkey 'sha256//${values.webKeyPin}' ${values.siteUrl}/install/${values.scriptName})"`;
  const check = `[ "$(printf '%s\\n' "$script" | sha256sum)" = '${values.scriptSha256}  -' ]`;
  const refuse = `echo 'What came is not the installer of this page; nothing was run.' >&2`;
  const mode = values.mode === 'passive' ? `BASCULE_MODE='passive' ` : '';
  return `${fetch} && if ${check}; then BASCULE_TOKEN='${values.token}' ${mode}sh -c "$script"; else ${refuse}; false; fi`;
}

/** From a checkout: the token is in the environment of that one command, and on no command line of a process. */
export function checkoutCommand(siteUrl: string, token: string): string {
  return `BASCULE_TOKEN='${token}' npm run ${launcherName('jump-client').replace('bascule-', '')} -- --site ${siteUrl}`;
}
