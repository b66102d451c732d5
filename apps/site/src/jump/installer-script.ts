export interface ScriptValues {
  /** https://host:port, without a slash at the end. */
  siteUrl: string;
  /** SHA-256 of the web certificate's public key, base64. */
  webKeyPin: string;
  runtimeSha256: string;
  clientSha256: string;
  runtimeBytes: number;
  clientBytes: number;
}

/** Needed beside the archives' own size: unpacked copies, state, a margin. */
const SPACE_FACTOR = 2.2;
const SAFE_URL = /^https:\/\/[A-Za-z0-9.:[\]-]+$/;

/**
 * The installer for any Linux x64 with sh, curl, tar and sha256sum. It carries no secret; the command that fetches it pins its hash, and it pins
 * the hashes of what it fetches. The token comes in BASCULE_TOKEN.
 */
export function installerScript(values: ScriptValues): string {
  if (!SAFE_URL.test(values.siteUrl)) throw new Error(`the address ${values.siteUrl} cannot be put into a script`);
  const neededKib = Math.ceil(((values.runtimeBytes + values.clientBytes) * SPACE_FACTOR) / 1024);
  return `#!/bin/sh
# Installs the Bascule Jump Client. FOREGROUND=1 runs it here instead of as a service; PREFIX=DIR installs into another directory.
set -eu
umask 077
site='${values.siteUrl}'
pin='sha256//${values.webKeyPin}'
runtime='${values.runtimeSha256}'
client='${values.clientSha256}'
needed_kib=${neededKib}

fail() { echo "bascule-jump-client: $1" >&2; exit 1; }

[ "$(uname -s)" = Linux ] || fail "this installer is for Linux only; this is $(uname -s)."
[ "$(uname -m)" = x86_64 ] || fail "this installer is for x64 processors only; this is $(uname -m)."
for program in curl tar sha256sum; do
  command -v "$program" >/dev/null 2>&1 || fail "the program $program is missing: install it and run the command again."
done
user=$(id -u)
if [ -n "\${PREFIX:-}" ]; then target=$PREFIX
elif [ "$user" = 0 ]; then target=/opt/bascule-jump-client
elif [ -n "\${HOME:-}" ]; then target=$HOME/.local/share/bascule-jump-client
else fail "neither root nor a home directory (HOME is empty): set PREFIX to a directory to install into."
fi
case $target in
  *[!A-Za-z0-9._/-]*) fail "the directory $target has characters other than letters, digits and . _ - /: set PREFIX to another directory." ;;
  /*) ;;
  *) fail "PREFIX must be an absolute path." ;;
esac
mkdir -p "$target" 2>/dev/null || fail "the directory $target cannot be made: run as root, or set PREFIX to another directory."
if [ ! -e "$target/state/identity.json" ] && [ -z "\${BASCULE_TOKEN:-}" ]; then
  fail "BASCULE_TOKEN is missing: copy the whole command from the page that made the installer token."
fi
free_kib=$(df -Pk "$target" 2>/dev/null | { read -r _; read -r _ _ _ free _; echo "$free"; } || true)
case $free_kib in
  ''|*[!0-9]*) ;;
  *) [ "$free_kib" -ge "$needed_kib" ] || fail "there are $free_kib KiB free in $target, but $needed_kib KiB are needed." ;;
esac

work=$(mktemp -d "$target/.install.XXXXXX") || fail "nothing can be written into $target."
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# fetch NAME SHA256: downloads, checks and unpacks into $target/NAME-SHA256.
fetch() {
  [ -d "$target/$1-$2" ] && return 0
  compressed=
  curl --version | grep -qi 'libz' && compressed=--compressed
  curl -fsS -k $compressed --pinnedpubkey "$pin" -o "$work/$1.tar" "$site/install/$1-$2.tar" \\
    || fail "$site/install/$1-$2.tar could not be fetched (curl says why above): is the appliance reachable, and its certificate still the same?"
  echo "$2  $work/$1.tar" | sha256sum -c - >/dev/null 2>&1 || fail "what came as $1 is not what it should be (wrong SHA-256): nothing was installed."
  mkdir "$work/$1"
  tar -x -f "$work/$1.tar" -C "$work/$1" 2>/dev/null || fail "the archive $1 could not be unpacked: is the disk full?"
  rm -f "$work/$1.tar"
  mv "$work/$1" "$target/$1-$2"
}
fetch runtime "$runtime"
fetch client "$client"

# The proxy of this command is the proxy of every later start. It may hold a password: only the client's own user can read it (umask above).
if [ -n "\${BASCULE_PROXY:-}\${HTTPS_PROXY:-}\${https_proxy:-}" ]; then
  for name in BASCULE_PROXY HTTPS_PROXY https_proxy NO_PROXY no_proxy; do
    eval "value=\\\${$name:-}"
    [ -z "$value" ] || printf '%s=%s\\n' "$name" "$value"
  done > "$work/proxy.env"
  mv "$work/proxy.env" "$target/proxy.env"
fi

# The library path is for this one program; the client keeps it out of the shells it opens. A proxy in the environment wins over the file.
cat > "$work/run" <<LAUNCHER
#!/bin/sh
unset NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS LD_PRELOAD
if [ -z "\\\${BASCULE_PROXY:-}\\\${HTTPS_PROXY:-}\\\${https_proxy:-}" ] && [ -r '$target/proxy.env' ]; then
  while IFS= read -r line; do
    case \\$line in BASCULE_PROXY=*|HTTPS_PROXY=*|https_proxy=*|NO_PROXY=*|no_proxy=*) export "\\$line" ;; esac
  done < '$target/proxy.env'
fi
LD_LIBRARY_PATH='$target/runtime-$runtime/lib' exec '$target/runtime-$runtime/bin/node' '$target/client-$client/main.mjs' --site '$site' --home '$target/state' "\\$@"
LAUNCHER
chmod 700 "$work/run"
mv "$work/run" "$target/bascule-jump-client"
LD_LIBRARY_PATH="$target/runtime-$runtime/lib" "$target/runtime-$runtime/bin/node" --version >/dev/null 2>&1 \\
  || fail "the runtime does not start here: it needs glibc 2.28 or newer."

if [ ! -e "$target/state/identity.json" ]; then
  "$target/bascule-jump-client" --enrol || fail "this machine could not be enrolled (see above)."
fi
unset BASCULE_TOKEN

if [ "\${FOREGROUND:-}" = 1 ]; then
  rm -rf "$work"
  exec "$target/bascule-jump-client"
fi

unit() {
  cat <<UNIT
[Unit]
Description=Bascule Jump Client
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=$target/bascule-jump-client
Restart=always
RestartSec=5
KillMode=mixed
TimeoutStopSec=15
OOMPolicy=continue
LimitCORE=0
UnsetEnvironment=LD_PRELOAD NODE_OPTIONS
# No sandbox beyond this: what it restricted here, it would restrict in every shell that is opened through it.

[Install]
WantedBy=$1
UNIT
}
if [ "$user" = 0 ] && [ -d /run/systemd/system ]; then
  unit multi-user.target > /etc/systemd/system/bascule-jump-client.service
  chmod 644 /etc/systemd/system/bascule-jump-client.service
  systemctl daemon-reload
  systemctl enable bascule-jump-client.service >/dev/null 2>&1 || true
  systemctl restart bascule-jump-client.service || fail "the service bascule-jump-client did not start: see journalctl -u bascule-jump-client."
  echo "Installed in $target, running as the service bascule-jump-client."
elif [ "$user" != 0 ] && systemctl --user show-environment >/dev/null 2>&1; then
  mkdir -p "$HOME/.config/systemd/user"
  unit default.target > "$HOME/.config/systemd/user/bascule-jump-client.service"
  systemctl --user daemon-reload
  systemctl --user enable bascule-jump-client.service >/dev/null 2>&1 || true
  systemctl --user restart bascule-jump-client.service || fail "the service bascule-jump-client did not start: see journalctl --user -u bascule-jump-client."
  echo "Installed in $target, running as your service bascule-jump-client (it ends when you log out, unless 'loginctl enable-linger' is set)."
else
  nohup "$target/bascule-jump-client" > "$target/client.log" 2>&1 < /dev/null &
  echo "Installed in $target and started. There is no systemd here: start $target/bascule-jump-client at boot yourself. Its log is $target/client.log."
fi
`;
}

/** The one line for an endpoint: pins the TLS key, and the script's hash; the token pins the site identity. */
export function installCommand(values: { siteUrl: string; webKeyPin: string; scriptSha256: string; token: string }): string {
  // The script stays in a variable: a file could be exchanged by somebody else between the check and the run.
  const fetch = `script="$(curl -fsSk --pinnedpubkey 'sha256//${values.webKeyPin}' ${values.siteUrl}/install/jump-client.sh)"`;
  const check = `[ "$(printf '%s\\n' "$script" | sha256sum)" = '${values.scriptSha256}  -' ]`;
  const refuse = `echo 'What came is not the installer of this page; nothing was run.' >&2`;
  return `${fetch} && if ${check}; then BASCULE_TOKEN='${values.token}' sh -c "$script"; else ${refuse}; false; fi`;
}
