/**
 * The sh script that starts the installed console. There is no supervisor: what it does is choose the version, and go back when a new one does not prove itself within some
 * starts. docs/decisions/0166-a-console-upgrades-itself-at-its-next-start.md
 */
export const CONSOLE_LAUNCHER = `#!/bin/sh
# Starts the Bascule console. An upgrade never changes this file.
home=$(dirname -- "$(readlink -f -- "$0")")
unset NODE_OPTIONS NODE_PATH LD_PRELOAD

# Upgrades of this user beside an installation that only root may write, as long as they stand on it. Of this very user: root with somebody's HOME runs nothing of theirs.
own=\${XDG_DATA_HOME:-\${HOME:-/nonexistent}/.local/share}/bascule-console-upgrades
place=$home
if [ ! -e "$home/locked" ] && [ -O "$own" ] && [ -f "$own/current" ] && [ "$(cat "$own/base" 2>/dev/null)" = "$(cat "$home/current" 2>/dev/null)" ]; then
  place=$own
fi
name=$(cat "$place/current" 2>/dev/null)

# put FILE TEXT: whole or not at all.
put() { printf '%s\\n' "$2" > "$place/$1.$$" && mv -f "$place/$1.$$" "$place/$1"; }

# A new version proves itself by doing its work once; after two starts without that the one before is taken again.
if [ -n "$name" ] && [ "$(cat "$place/trial" 2>/dev/null)" = "$name" ]; then
  if [ "$({ wc -l < "$place/trial-starts"; } 2>/dev/null || echo 0)" -ge 2 ]; then
    former=$(cat "$place/previous" 2>/dev/null)
    if [ -n "$former" ] && [ -f "$place/bundles/$former/main.mjs" ] && put failed "$name" && put current "$former"; then
      rm -f "$place/trial" "$place/trial-starts"
      echo "bascule: the new version $name does not work here; back to $former." >&2
      name=$former
    fi
  else
    { echo start >> "$place/trial-starts"; } 2>/dev/null
  fi
fi

if [ -z "$name" ] || [ ! -f "$place/bundles/$name/main.mjs" ]; then name=$(cat "$place/previous" 2>/dev/null); fi
runtime=$(cat "$place/bundles/$name/runtime.txt" 2>/dev/null)
if [ -z "$name" ] || [ -z "$runtime" ]; then
  echo "bascule: there is no program in $place: install it again." >&2
  exit 70
fi
export LD_LIBRARY_PATH="$place/lib"
exec "$place/runtimes/$runtime/bin/node" "$place/bundles/$name/main.mjs" "$@"
`;
