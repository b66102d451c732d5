/** Parts of the sh scripts that install: plain POSIX sh with what every Linux has. */
import type { ClientProgram } from '@bascule/protocol/client-program.ts';
import { launcherName, PROGRAM_TITLES } from './launcher.ts';

const SAFE_URL = /^https:\/\/[A-Za-z0-9.:[\]-]+$/;
const KEY = /^bjt1\.[A-Za-z0-9_.-]+$/;

/** `value` between single quotes. Throws for what has no place in a script. */
export function quotedUrl(url: string): string {
  if (!SAFE_URL.test(url)) throw new Error(`the address ${url} cannot be put into a script`);
  return `'${url}'`;
}

export function quotedKey(key: string): string {
  if (!KEY.test(key)) throw new Error('bug: the key cannot be put into a script');
  return `'${key}'`;
}

/** The systemd unit; `$target` and `$wanted_by` are of the script around it. */
export function unitText(program: ClientProgram, target: string, wantedBy: string): string {
  return `[Unit]
Description=Bascule ${PROGRAM_TITLES[program]}
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=${target}/${launcherName(program)}
Restart=always
RestartSec=5
KillMode=mixed
TimeoutStopSec=15
OOMPolicy=continue
LimitCORE=0
UnsetEnvironment=LD_PRELOAD NODE_OPTIONS
# No sandbox beyond this: what it restricted here, it would restrict in every shell that is opened through it.

[Install]
WantedBy=${wantedBy}
`;
}

/** `fail SENTENCE`; the checks of system and processor; `$user`. */
export function checks(program: ClientProgram, tools: readonly string[]): string {
  return `fail() { echo "${launcherName(program)}: $1" >&2; exit 1; }

[ "$(uname -s)" = Linux ] || fail "this installer is for Linux only; this is $(uname -s)."
[ "$(uname -m)" = x86_64 ] || fail "this installer is for x64 processors only; this is $(uname -m)."
for program in ${tools.join(' ')}; do
  command -v "$program" >/dev/null 2>&1 || fail "the program $program is missing: install it and run the command again."
done
user=$(id -u)
`;
}

/** `$target`: the program folder, from PREFIX or by who installs. What root is to run must lie where nobody else can exchange it. */
export function chooseTarget(program: ClientProgram): string {
  const name = launcherName(program);
  return `if [ -n "\${PREFIX:-}" ]; then target=$PREFIX
elif [ "$user" = 0 ]; then target=/opt/${name}
elif [ -n "\${HOME:-}" ]; then target=$HOME/.local/share/${name}
else fail "neither root nor a home directory (HOME is empty): set PREFIX to a directory to install into."
fi
case $target in
  *[!A-Za-z0-9._/-]*) fail "the directory $target has characters other than letters, digits and . _ - /: set PREFIX to another directory." ;;
  /*) ;;
  *) fail "PREFIX must be an absolute path." ;;
esac
if [ "$user" = 0 ] && [ -n "\${PREFIX:-}" ]; then
  place=$target
  while [ -n "$place" ]; do
    if [ -e "$place" ] && [ ! -O "$place" ]; then fail "$place belongs to another user, who could exchange what root runs there: set PREFIX to another directory."; fi
    place=\${place%/*}
  done
fi
`;
}

/** `check_space KIB`: fails when less is free in `$target`. */
export const CHECK_SPACE = `check_space() {
  free_kib=$(df -Pk "$target" 2>/dev/null | { read -r _; read -r _ _ _ free _; echo "$free"; } || true)
  case $free_kib in
    ''|*[!0-9]*) ;;
    *) [ "$free_kib" -ge "$1" ] || fail "there are $free_kib KiB free in $target, but $1 KiB are needed." ;;
  esac
}
`;

/** `is_newer A B`: whether version A (of a folder such as 1.2.3-abc) is newer than B. */
export const IS_NEWER = `is_newer() {
  one=\${1%%-*}.0.0 other=\${2%%-*}.0.0
  for _ in 1 2 3; do
    [ "\${one%%.*}" -gt "\${other%%.*}" ] && return 0
    [ "\${one%%.*}" -lt "\${other%%.*}" ] && return 1
    one=\${one#*.} other=\${other#*.}
  done
  return 1
}
`;

/**
 * `point FOLDER`: what was brought runs from now on, unless the client has upgraded itself beyond it; then that stays (an installer is no way back).
 * `$target` holds a whole bundle of that name.
 */
export const POINT = `point() {
  now=$(cat "$target/current" 2>/dev/null || true)
  if [ -n "$now" ] && [ "$now" != "$1" ] && [ -f "$target/bundles/$now/main.mjs" ]; then
    if is_newer "$now" "$1"; then return 0; fi
    echo "$now" > "$target/previous.new"
    mv "$target/previous.new" "$target/previous"
  fi
  rm -f "$target/trial.json"
  echo "$1" > "$target/current.new"
  chmod 644 "$target/current.new"
  mv "$target/current.new" "$target/current"
}
`;

/** `write_settings SITE MODE WAITS`: settings.json, kept when it names this site already. WAITS is a version as JSON. */
export const WRITE_SETTINGS = `write_settings() {
  if [ -f "$target/settings.json" ] && [ "$3" = null ] && grep -qF "\\"$1\\"" "$target/settings.json"; then return 0; fi
  ( umask 077; printf '{"site":"%s","mode":"%s","waitsForVersion":%s}\\n' "$1" "$2" "$3" > "$target/settings.json.new" )
  mv "$target/settings.json.new" "$target/settings.json"
}
`;

/** `save_proxy`: the proxy of this command is the proxy of every later start. It may hold a password: only the client's own user can read it. */
export const SAVE_PROXY = `save_proxy() {
  [ -n "\${BASCULE_PROXY:-}\${HTTPS_PROXY:-}\${https_proxy:-}" ] || return 0
  ( umask 077
    for name in BASCULE_PROXY HTTPS_PROXY https_proxy NO_PROXY no_proxy; do
      eval "value=\\\${$name:-}"
      [ -z "$value" ] || printf '%s=%s\\n' "$name" "$value"
    done > "$target/proxy.env.new" )
  mv "$target/proxy.env.new" "$target/proxy.env"
}
`;

/** `stop_programs`: ends what runs from \`$target\`, first politely. */
export const STOP_PROGRAMS = `stop_programs() {
  for signal in TERM KILL; do
    left=
    for process in /proc/[0-9]*; do
      case $(readlink "$process/exe" 2>/dev/null) in
        "$target"/runtime*/*) left=1; kill "-$signal" "\${process#/proc/}" 2>/dev/null || true ;;
      esac
    done
    [ -n "$left" ] || return 0
    for _ in 1 2 3 4 5 6 7 8 9 10; do
      left=
      for process in /proc/[0-9]*; do
        case $(readlink "$process/exe" 2>/dev/null) in "$target"/runtime*/*) left=1 ;; esac
      done
      [ -n "$left" ] || return 0
      sleep 0.3
    done
  done
}
`;
