import type { ClientProgram } from '@bascule/protocol/client-program.ts';
import { CONSOLE_LAUNCHER } from './console-launcher.ts';

/** The name of the launcher in the program folder. */
export function launcherName(program: ClientProgram): string {
  return `bascule-${program}`;
}

/** What people call the program. */
export const PROGRAM_TITLES: Record<ClientProgram, string> = {
  'jump-client': 'Jump Client',
  jumpoint: 'Jumpoint',
  console: 'console',
};

/** Whoever installed without a key, or before the appliance can be reached: how often it is tried again. */
const FIRST_PAUSE_S = 5;
const LONGEST_PAUSE_S = 300;

/**
 * The sh script that starts a program (client-supervisor.md, section 1). It finds its folder by its own place, so that it is the same wherever it is
 * installed. Programs that enrol wait here until somebody gives a key, with no identity made before: that is what machine images need.
 */
export function launcherScript(program: ClientProgram): string {
  if (program === 'console') return CONSOLE_LAUNCHER;
  return `#!/bin/sh
# Starts the Bascule ${PROGRAM_TITLES[program]}. An upgrade never changes this file.
home=$(dirname -- "$(readlink -f -- "$0")")
unset NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS LD_PRELOAD
# The proxy at the time of the installation; one in the environment goes first.
if [ -z "\${BASCULE_PROXY:-}\${HTTPS_PROXY:-}\${https_proxy:-}" ] && [ -r "$home/proxy.env" ]; then
  while IFS= read -r line; do
    case $line in BASCULE_PROXY=*|HTTPS_PROXY=*|https_proxy=*|NO_PROXY=*|no_proxy=*) export "\${line?}" ;; esac
  done < "$home/proxy.env"
fi

say() { echo "${launcherName(program)}: $1" >&2; }

# The library path is for this one program: it keeps it out of what it starts.
start() {
  name=$(cat "$home/current" 2>/dev/null)
  [ -n "$name" ] && [ -f "$home/bundles/$name/main.mjs" ] || name=$(cat "$home/previous" 2>/dev/null)
  runtime=$(cat "$home/bundles/$name/runtime.txt" 2>/dev/null)
  [ -n "$name" ] && [ -n "$runtime" ] || { say "there is no program in $home: install it again."; exit 1; }
  export LD_LIBRARY_PATH="$home/lib"
  exec "$home/runtimes/$runtime/bin/node" "$home/supervisor.mjs" "$@"
}
${enrolling(program)}start "$@"
`;
}

function enrolling(program: ClientProgram): string {
  return `
case \${1:-} in
  -h|--help|help)
    cat <<'HELP'
Usage: ${launcherName(program)} COMMAND
  enrol [FILE]  enrols this machine with the installer key in FILE, or typed
  status        whether it is connected, and as what
  check-in      connects to the appliance now, and says whether it was reached
  uninstall     removes the program from this machine
  --version     the version that is installed
HELP
    exit 0 ;;
esac

# Enrols with a key that is in no argument and no log.
enrol() { ( BASCULE_TOKEN=$1; export BASCULE_TOKEN; unset BASCULE_KEY; start --enrol ); }

given_key() {
  if [ -n "\${BASCULE_KEY:-}\${BASCULE_TOKEN:-}" ]; then echo "\${BASCULE_KEY:-$BASCULE_TOKEN}"
  elif [ -s "$home/key" ]; then cat "$home/key"
  fi
}

# Without an identity: until somebody gives a key, and the appliance takes it.
wait_for_identity() {
  pause=${FIRST_PAUSE_S}
  said=
  while [ ! -s "$home/state/identity.json" ]; do
    [ -e "$home/current" ] || exit 0 # It was removed meanwhile.
    key=$(given_key)
    if [ -z "$key" ]; then
      [ -n "$said" ] || say "waits for an installer key: run '${launcherName(program)} enrol', or put it into $home/key."
      said=1
      sleep ${FIRST_PAUSE_S}
    elif enrol "$key"; then rm -f "$home/key"
    else
      say "is not enrolled yet (see above); it tries again in $pause seconds."
      sleep "$pause"
      pause=$((pause * 2))
      [ "$pause" -le ${LONGEST_PAUSE_S} ] || pause=${LONGEST_PAUSE_S}
    fi
  done
  unset BASCULE_KEY BASCULE_TOKEN key
}

# enrol [FILE]: with the key in FILE, in BASCULE_KEY, or typed; from standard input when that is no terminal.
if [ "\${1:-}" = enrol ]; then
  if [ -s "$home/state/identity.json" ]; then say 'is enrolled already.'; exit 0; fi
  if [ -n "\${2:-}" ]; then key=$(cat -- "$2") || exit 1
  else key=\${BASCULE_KEY:-\${BASCULE_TOKEN:-}}
  fi
  if [ -z "$key" ]; then
    if [ -t 0 ]; then
      printf 'Installer key: ' >&2
      trap 'stty echo; exit 130' INT TERM HUP
      stty -echo 2>/dev/null
      IFS= read -r key
      stty echo 2>/dev/null
      trap - INT TERM HUP
      echo >&2
    else IFS= read -r key
    fi
  fi
  [ -n "$key" ] || { say 'no key was given.'; exit 1; }
  enrol "$key" || exit $?
  rm -f "$home/key"
  say 'is enrolled. It connects as soon as it runs.'
  exit 0
fi
if [ $# = 0 ]; then wait_for_identity; fi
`;
}
