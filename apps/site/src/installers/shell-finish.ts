/** The end of every installation by script: files to their places, settings, enrolment, service. The `.deb` has scripts of its own. */
import type { ClientProgram } from '@bascule/protocol/client-program.ts';
import { launcherName, PROGRAM_TITLES } from './launcher.ts';
import { STOP_PROGRAMS, unitText } from './shell-parts.ts';

/** Functions that `finishInstallation` calls. */
export const FINISH = `
${STOP_PROGRAMS}
# put FROM: moves what was unpacked in FROM to its place in $target; a folder that is there already is whole, and stays.
put() {
  for folder in bundles runtimes; do
    mkdir -p "$target/$folder"
    for made in "$1/$folder"/*; do
      [ -d "$made" ] || continue
      place="$target/$folder/\${made##*/}"
      [ -d "$place" ] || mv "$made" "$place"
    done
  done
  mkdir -p "$target/lib"
  for made in "$1/lib"/* ; do if [ -f "$made" ]; then mv -f "$made" "$target/lib/\${made##*/}"; fi; done
  for made in "$1"/*; do if [ -f "$made" ]; then mv -f "$made" "$target/\${made##*/}"; fi; done
  # Of version 0.1.0, which laid its files otherwise.
  rm -rf "$target"/runtime-[0-9a-f]* "$target"/client-[0-9a-f]*
}

# take_stock: notes what $target holds before this installation; a program that is there already is never taken back.
before=
is_first=
links=
take_stock() {
  [ -e "$target/current" ] || [ -e "$target/state/identity.json" ] || is_first=1
  for there in "$target"/* "$target"/.[!.]*; do before="$before \${there##*/} "; done
}

# take_back: removes what a first installation has made, when its enrolment failed.
take_back() {
  [ -n "$is_first" ] || return 0
  for made in "$target"/* "$target"/.[!.]*; do
    case $before in *" \${made##*/} "*) ;; *) rm -rf "$made" ;; esac
  done
  for made in $links; do rm -f "$made"; done
  rm -rf "$work"
  [ -z "\${made_target:-}" ] || rmdir "$target" 2>/dev/null || true
}

# link NAME TARGET: in /usr/local/bin, unless something else has that name there.
link() {
  place=/usr/local/bin/$1
  [ -d /usr/local/bin ] || return 0
  if [ ! -e "$place" ] && [ ! -L "$place" ]; then
    ln -s "$2" "$place" 2>/dev/null || return 0
    links="$links $place"
  else case $(readlink "$place" 2>/dev/null) in "$2") ;; *) return 0 ;; esac
  fi
  extra="$extra\${extra:+,}\\"$place\\""
}
`;

export interface FinishValues {
  program: ClientProgram;
  bundleFolder: string;
  waitsForVersion: string | null;
}

/** Uses `$made_target` (set when this run has made `$target`), `$work/files`, `$target`, `$user`, `$site`, `$mode`, `$key`, `$package` (of installed.json). */
export function finishInstallation({ program, bundleFolder, waitsForVersion }: FinishValues): string {
  const launcher = launcherName(program);
  return `take_stock
put "$work/files"
point '${bundleFolder}'
${program === 'console' ? '' : 'save_proxy\n'}write_settings "$site" "$mode" '${waitsForVersion === null ? 'null' : `"${waitsForVersion}"`}'
runtime_folder=$(cat "$target/bundles/$(cat "$target/current")/runtime.txt")
LD_LIBRARY_PATH="$target/lib" "$target/runtimes/$runtime_folder/bin/node" --version >/dev/null 2>&1 \\
  || fail "the runtime does not start here: it needs glibc 2.28 or newer."
${program === 'console' ? finishConsole(launcher) : finishService(program, launcher, waitsForVersion)}`;
}

const INSTALLED = `installed() {
  printf '{"program":"%s","scope":"%s","package":"%s","unit":%s,"extra":[%s]}\\n' "$1" "$scope" "$package" "$unit" "$extra" > "$target/installed.json.new"
  mv "$target/installed.json.new" "$target/installed.json"
}
extra=
unit=null
scope=user
[ "$user" != 0 ] || scope=system
`;

function finishConsole(launcher: string): string {
  return `${INSTALLED}if [ "$scope" = system ] && [ -z "\${PREFIX:-}" ]; then
  chmod -R a+rX "$target"
  link bascule "$target/${launcher}"
fi
installed console
rm -rf "$work"
start_with=$target/${launcher}
[ -z "$extra" ] || start_with=bascule
echo "Installed in $target. Start it with: $start_with"
`;
}

function finishService(program: ClientProgram, launcher: string, waitsForVersion: string | null): string {
  return `${INSTALLED}if [ "$user" = 0 ] && [ -z "\${PREFIX:-}" ]; then
  link ${launcher} "$target/${launcher}"
${program === 'jump-client' ? `  link bascule-client "$target/${launcher}"\n` : ''}fi
how=plain
if [ "\${FOREGROUND:-}" != 1 ]; then
  if [ "$user" = 0 ] && [ -d /run/systemd/system ]; then how=system unit=\\"/etc/systemd/system/${launcher}.service\\"
  elif [ "$user" != 0 ] && systemctl --user show-environment >/dev/null 2>&1; then how=user unit=\\"$HOME/.config/systemd/user/${launcher}.service\\"
  fi
fi
installed ${program}
[ -n "$key" ] || [ -e "$target/state/identity.json" ] || echo "No key was given: run '$target/${launcher} enrol' when this machine is to be enrolled."

if [ -n "$key" ] && [ ! -e "$target/state/identity.json" ]; then
  if ! BASCULE_TOKEN=$key "$target/${launcher}" --enrol; then
${
  waitsForVersion === null
    ? `    take_back
    fail "this machine could not be enrolled (see above)\${is_first:+; nothing was left here}."`
    : `    # Made for a version that the appliance may not have yet: the key waits with the client.
    printf '%s\\n' "$key" > "$target/key"
    echo "It waits until the appliance runs version ${waitsForVersion}."`
}
  fi
fi
# The key beside an unpacked installer has done its work; where it cannot be removed, a person has to.
if [ -n "\${key_file:-}" ] && [ -s "$target/state/identity.json" ]; then
  rm -f "$key_file" 2>/dev/null || echo "The installer key is still in $key_file: remove it."
fi
key=

# Without a service manager the one before goes on until it is ended.
if [ "$how" = plain ]; then stop_programs; fi
if [ "\${FOREGROUND:-}" = 1 ]; then
  rm -rf "$work"
  exec "$target/${launcher}"
fi

unit() {
  cat <<UNIT
${unitText(program, '$target', '$1')}UNIT
}
if [ "$how" = system ]; then
  unit multi-user.target > /etc/systemd/system/${launcher}.service
  chmod 644 /etc/systemd/system/${launcher}.service
  systemctl daemon-reload
  systemctl enable ${launcher}.service >/dev/null 2>&1 || true
  systemctl restart ${launcher}.service || fail "the service ${launcher} did not start: see journalctl -u ${launcher}."
  echo "Installed in $target, running as the service ${launcher}."
elif [ "$how" = user ]; then
  mkdir -p "$HOME/.config/systemd/user"
  unit default.target > "$HOME/.config/systemd/user/${launcher}.service"
  systemctl --user daemon-reload
  systemctl --user enable ${launcher}.service >/dev/null 2>&1 || true
  systemctl --user restart ${launcher}.service || fail "the service ${launcher} did not start: see journalctl --user -u ${launcher}."
  echo "Installed in $target, running as your service ${launcher} (it ends when you log out, unless 'loginctl enable-linger' is set)."
else
  nohup "$target/${launcher}" > "$target/client.log" 2>&1 < /dev/null &
  echo "Installed in $target and started: the Bascule ${PROGRAM_TITLES[program]} runs. There is no systemd here: start $target/${launcher} at boot yourself. Its log is $target/client.log."
fi
`;
}
