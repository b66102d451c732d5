/** The `.deb`: the same program folder below /opt, with Debian's own libraries, and maintainer scripts that enrol, start, stop and leave nothing. */
import type { ClientMode, ClientProgram } from '@bascule/protocol/client-program.ts';
import { debPieces, type MaintainerScripts } from './deb-package.ts';
import { launcherName, PROGRAM_TITLES } from './launcher.ts';
import { programEntries, runtimeEntries, type ProgramParts } from './program-files.ts';
import { IS_NEWER, POINT, quotedUrl, SAVE_PROXY, STOP_PROGRAMS, unitText, WRITE_SETTINGS } from './shell-parts.ts';
import type { Piece, TarEntry } from './tar-pieces.ts';

/** Node 26 links these; a minimal Debian lacks libatomic1. */
const DEPENDS = 'libc6 (>= 2.28), libstdc++6, libatomic1';

export interface DebValues {
  siteUrl: string;
  mode: ClientMode;
  waitsForVersion: string | null;
  /** Goes into the package, 0600; undefined: it is given later. */
  key: string | undefined;
}

/** The whole package. */
export async function debInstallerPieces(parts: ProgramParts, values: DebValues): Promise<Piece[]> {
  const { program, bundle, runtime } = parts;
  const name = launcherName(program);
  const folder = `opt/${name}`;
  const files = [...programEntries(parts), ...runtimeEntries(runtime, { withLibraries: false })];
  const entries: TarEntry[] = [
    ...files.map((entry) => ({ ...entry, path: `${folder}/${entry.path}` })),
    { path: `${folder}/installed.json`, mode: 0o644, content: Buffer.from(`${JSON.stringify(installedNote(program, name))}\n`) },
    ...(values.key === undefined ? [] : [{ path: `${folder}/key`, mode: 0o600, content: Buffer.from(`${values.key}\n`) }]),
    ...commandsOf(program).map((command) => ({
      path: `usr/bin/${command}`,
      mode: 0o777,
      content: { link: `/${folder}/${name}` },
    })),
    ...(program === 'console'
      ? []
      : [{ path: unitPath(name), mode: 0o644, content: Buffer.from(unitText(program, `/${folder}`, 'multi-user.target')) }]),
  ];
  const control = {
    name,
    version: bundle.about.version,
    depends: DEPENDS,
    description: [
      `Bascule ${PROGRAM_TITLES[program]}`,
      `For the appliance at ${values.siteUrl}, revision ${bundle.about.revision}.`,
    ],
  };
  return await debPieces(control, scriptsOf(program, bundle.folder, values), entries);
}

/** The console runs as whoever calls it, and reads the site's address there; nothing secret is in it. */
const READABLE_SETTINGS = 'chmod 644 "$target/settings.json"\n';

function commandsOf(program: ClientProgram): string[] {
  if (program === 'console') return ['bascule'];
  return program === 'jump-client' ? [launcherName(program), 'bascule-client'] : [launcherName(program)];
}

/** The merged /usr of every Debian since 10; systemd reads it on older ones too. */
function unitPath(name: string): string {
  return `usr/lib/systemd/system/${name}.service`;
}

function installedNote(program: ClientProgram, packageName: string) {
  return { program, scope: 'system', package: 'deb', unit: null, extra: [], packageName };
}

function scriptsOf(program: ClientProgram, bundleFolder: string, values: DebValues): MaintainerScripts {
  const name = launcherName(program);
  const head = `#!/bin/sh\nset -e\ntarget=/opt/${name}\n`;
  const isService = program !== 'console';
  return {
    preinst: `#!/bin/sh\nset -e\n[ -d /opt ] || mkdir -m 755 /opt\n`,
    postinst: `${head}[ "$1" = configure ] || exit 0
${IS_NEWER}${POINT}${WRITE_SETTINGS}${SAVE_PROXY}
point '${bundleFolder}'
${isService ? 'save_proxy\n' : ''}write_settings ${quotedUrl(values.siteUrl)} '${values.mode}' '${values.waitsForVersion === null ? 'null' : `"${values.waitsForVersion}"`}'
${isService ? configureService(name) : READABLE_SETTINGS}`,
    prerm: `${head}[ "$1" = remove ] || exit 0
${isService ? `${STOP_PROGRAMS}if command -v systemctl >/dev/null 2>&1; then systemctl disable --now ${name}.service >/dev/null 2>&1 || true; fi\nstop_programs\n` : ''}`,
    postrm: `${head}case $1 in
  remove)
    # What upgrades have brought. The identity stays until the package is purged.
    rm -rf "$target/bundles" "$target/runtimes" "$target/current" "$target/previous" "$target/trial.json" "$target/outcome.json" "$target/key"
    if [ -d /run/systemd/system ]; then systemctl daemon-reload >/dev/null 2>&1 || true; fi
    ;;
  purge)
    rm -rf "$target" /etc/systemd/system/multi-user.target.wants/${name}.service
    ;;
esac
`,
  };
}

/** Enrols when there is a key, and lets the service run: at once under systemd, at the next boot of an image. */
function configureService(name: string): string {
  return `
if [ -s "$target/state/identity.json" ]; then rm -f "$target/key"
elif [ -s "$target/key" ] || [ -n "\${BASCULE_KEY:-}" ]; then
  if [ -z "\${BASCULE_KEY:-}" ]; then BASCULE_KEY=$(cat "$target/key"); fi
  export BASCULE_KEY
  if "$target/${name}" enrol >/dev/null; then echo "${name}: this machine is enrolled."
  else
    ( umask 077; printf '%s\\n' "$BASCULE_KEY" > "$target/key" )
    echo "${name}: this machine is not enrolled yet (see above); the service tries again."
  fi
  unset BASCULE_KEY
else echo "${name}: no key came with this package: run '${name} enrol' when this machine is to be enrolled."
fi
if command -v systemctl >/dev/null 2>&1; then systemctl enable ${name}.service >/dev/null 2>&1 || true; fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl restart ${name}.service || echo "${name}: the service did not start: see journalctl -u ${name}."
else echo "${name}: systemd does not run here: start $target/${name} yourself, at every boot."
fi
`;
}
