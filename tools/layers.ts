/**
 * Fails on an import that docs/architecture.md does not allow, on a cycle between packages or domains, and on a folder that no rule covers.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const checkout = resolve(import.meta.dirname, '..');

/** What each package may import of ours. */
const PACKAGES: Record<string, string[]> = {
  core: [],
  errors: ['core'],
  log: ['core', 'errors'],
  protocol: ['core', 'errors'],
  wire: ['core', 'errors', 'log', 'protocol'],
  recording: ['core', 'errors', 'log', 'protocol', 'wire'],
  store: ['core', 'errors', 'log'],
  accounts: ['core', 'errors', 'log', 'protocol', 'store', 'http'],
  http: ['core', 'errors', 'log', 'protocol', 'store'],
  mail: ['core', 'errors', 'log', 'protocol', 'store', 'accounts', 'http'],
  'package-format': ['core', 'errors', 'log', 'protocol'],
  // What all client programs share: enrolment, links, the home, how they upgrade themselves.
  client: ['core', 'errors', 'log', 'protocol', 'wire', 'package-format'],
  // What a backup is: one file that stock age, zstd and tar open.
  'backup-format': ['core', 'errors', 'log', 'protocol'],
  // Roles, leases and fencing of a failover pair: pure, for site and witness alike.
  pair: ['core', 'errors', 'protocol'],
};
/** The appliance's programs never hold a client's code. */
const ALL = Object.keys(PACKAGES).filter((name) => name !== 'client');

/** What each program may import of ours. Programs never import each other. */
const APPS: Record<string, string[]> = {
  boot: ['core'],
  base: ['core', 'errors', 'log', 'protocol', 'wire', 'store', 'accounts', 'http', 'mail', 'package-format'],
  site: ALL,
  'jump-client': ['core', 'errors', 'log', 'protocol', 'wire', 'client'],
  jumpoint: ['core', 'errors', 'log', 'protocol', 'wire', 'client'],
  console: ['core', 'errors', 'log', 'protocol', 'wire', 'client'],
  witness: ['core', 'errors', 'log', 'protocol', 'wire', 'pair'],
  'update-server': ['core', 'errors', 'log', 'protocol', 'store', 'http', 'mail', 'package-format'],
  web: ['core', 'errors', 'protocol', 'wire'],
};

/** Domains in the order in which they may import each other, leftwards only; other domains see a domain's main file alone. */
const DOMAINS: Record<string, string[]> = {
  base: [
    'config',
    'audit',
    'identity',
    'changes',
    'box-settings',
    'box',
    'network',
    'security',
    'syslog',
    'support',
    'certificates',
    'front',
    'site-host',
    'traffic',
    'health',
    'storage',
    'software',
    'restore',
    'move',
    'plans',
    'reset',
    'http',
  ],
  site: [
    'config',
    'audit',
    'identity',
    'settings',
    'mail',
    'vault',
    'licence',
    'policy',
    'jump',
    'access-session',
    'relay',
    'fleet',
    'installers',
    'console',
    'trust',
    'failover',
    'reports',
    'file-store',
    'backup',
    'http',
    'standby',
    'life',
  ],
};

/** External modules that only one package may touch. */
const ONLY_IN: { module: string; folders: RegExp; reason: string }[] = [
  { module: 'node:sqlite', folders: /^packages\/store\//, reason: 'packages/store is the one wrapper around SQLite' },
  { module: '@node-rs/argon2', folders: /^packages\/accounts\//, reason: 'passwords are hashed in packages/accounts alone' },
  { module: 'tuf-js', folders: /^packages\/package-format\//, reason: 'packages/package-format is the one verifier of packages' },
  {
    module: 'age-encryption',
    folders: /^packages\/backup-format\//,
    reason: 'packages/backup-format is the one writer and reader of age files',
  },
  { module: 'nodemailer', folders: /^packages\/mail\//, reason: 'packages/mail is the one sender of mail' },
];

const complaints: string[] = [];
const files = globSync(['apps/*/**/*.{ts,tsx}', 'packages/*/**/*.ts'], {
  cwd: checkout,
  exclude: (path) => /node_modules|(^|\/)dist(\/|$)/.test(path),
});
for (const file of files) checkFile(file);

if (complaints.length > 0) {
  process.stderr.write(`${complaints.join('\n')}\n`);
  process.exit(1);
}
process.stdout.write(`${files.length} files keep to the layers\n`);

function checkFile(file: string): void {
  const allowed = allowedFor(file);
  if (allowed === undefined) {
    complaints.push(`${file}: no rule covers this folder; add it to tools/layers.ts`);
    return;
  }
  const isTest = /\.test\.ts$|\/testing\.ts$|(^|\/)test\//.test(file);
  for (const specifier of importsOf(file)) {
    const only = ONLY_IN.find(({ module }) => module === specifier);
    if (only && !only.folders.test(file) && !isTest) complaints.push(`${file} imports ${specifier}: ${only.reason}`);
    if (specifier.startsWith('.')) checkNeighbour(file, specifier, isTest);
    else if (specifier.startsWith('@bascule/')) checkPackage(file, specifier, allowed, isTest);
    else if (file.startsWith('apps/web/src') && specifier.startsWith('node:') && !isTest)
      complaints.push(`${file} imports ${specifier}: it runs in a browser`);
    else if (file.startsWith('apps/boot/') && !specifier.startsWith('node:') && !isTest)
      complaints.push(`${file} imports ${specifier}: boot has no dependency`);
  }
}

function allowedFor(file: string): string[] | undefined {
  const [kind, name] = file.split('/') as [string, string];
  if (kind === 'packages' && name === 'testkit') return [...ALL, 'testkit'];
  return kind === 'packages' ? PACKAGES[name] : APPS[name];
}

function checkPackage(file: string, specifier: string, allowed: string[], isTest: boolean): void {
  const [, name = ''] = specifier.split('/');
  const own = file.split('/')[1] === name;
  if (own || allowed.includes(name) || (isTest && (name === 'testkit' || name in PACKAGES))) return;
  complaints.push(
    `${file} imports ${specifier}: ${file.split('/').slice(0, 2).join('/')} may import only ${allowed.join(', ') || 'nothing of ours'}`,
  );
}

function checkNeighbour(file: string, specifier: string, isTest: boolean): void {
  const target = relative(checkout, join(checkout, dirname(file), specifier));
  const [kind, app = '', , domain = ''] = file.split('/');
  const [targetKind, targetApp = '', , targetDomain = ''] = target.split('/');
  if (kind !== targetKind || app !== targetApp) {
    if (!isTest) complaints.push(`${file} reaches into ${target}: use the package's name`);
    return;
  }
  const order = kind === 'apps' ? DOMAINS[app] : undefined;
  if (!order || domain.endsWith('.ts') || targetDomain.endsWith('.ts') || domain === targetDomain || isTest) {
    if (order && !domain.endsWith('.ts') && !order.includes(domain))
      complaints.push(`${file}: the domain ${domain} is not in the list of tools/layers.ts`);
    return;
  }
  if (order.indexOf(targetDomain) > order.indexOf(domain))
    complaints.push(`${file} imports ${target}: ${targetDomain} comes after ${domain}`);
}

/** Specifiers of static and dynamic imports; `import type` counts, since a type from a later layer is a wrong direction too. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(checkout, file), 'utf8');
  return Array.from(
    text.matchAll(
      /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|(?:^|\n)import\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]/g,
    ),
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  );
}
