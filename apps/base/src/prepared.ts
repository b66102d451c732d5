/** What a base loads without writing or listening: a candidate does so beside the base that runs. */
import { basename, join } from 'node:path';
import type { Log } from '@bascule/log/log.ts';
import type { ToldLicence } from '@bascule/protocol/api/licence.ts';
import { HandedCertificate, openWebCertificate, ServedCertificates, type WebCertificate } from './certificates/certificates.ts';
import { type BaseConfig } from './config/config.ts';
import { readKnownEpoch, SiteHost, type SiteSoftware } from './site-host/site-host.ts';
import { Slots } from './software/slots.ts';

/** What a base has loaded before it takes over (docs/spec/boot.md, 6.3): nothing of it writes or listens. */
export interface Prepared {
  host: SiteHost;
  /** The certificate that the web is served with; another one takes its place when it is renewed. */
  web: { certificate: WebCertificate };
  /** The one of the shared name, of a box that was made the backup of another. */
  handed: HandedCertificate;
  /** Which of all certificates is served to whom. */
  served: ServedCertificates;
  /** Whether that version of the site is past its watch period; the engine knows, once it is open. */
  commits: { isCommitted(siteVersion: string): boolean };
  /** Installed licence packages; none until the engine is open, which tells them then. */
  licences: { installed(): ToldLicence[] };
  /** The highest epoch of the site that this box has known. */
  epochs: { known(): { history: string; epoch: number } | undefined };
}

/** Made or renewed when that is due. */
export function ownCertificate({ paths, hosts }: BaseConfig): Promise<WebCertificate> {
  return openWebCertificate(paths.boxTls, hosts);
}

/** Reads what there is, and writes nothing. */
export function load(config: BaseConfig, log: Log, certificate: WebCertificate): Prepared {
  const web = { certificate };
  const own = () => web.certificate;
  const handed: HandedCertificate = new HandedCertificate({
    directory: config.paths.boxTls,
    own,
    others: {
      forHost: (host) => served.forHost(host).web,
      names: () => [...served.candidates().values()].flatMap((one) => one.names),
    },
  });
  const served = new ServedCertificates({ boxDirectory: config.paths.box, own, handed: () => handed, log });
  served.loadFrom(config.paths.boxDatabase);
  const commits = { isCommitted: (_version: string): boolean => true };
  const licences: Prepared['licences'] = { installed: () => [] };
  const epochs: Prepared['epochs'] = { known: () => readKnownEpoch(config.paths.boxDatabase, log) };
  const host = new SiteHost({
    paths: config.paths,
    software: () => siteSoftware(config),
    siteStart: (version) => ({
      ...knownEpoch(epochs.known()),
      basePackage: config.packageVersions.base,
      applianceName: config.applianceName,
      publicHost: config.publicHost,
      publicPort: config.port,
      hosts: config.hosts,
      webKeyPin: handed.keyPinFor(config.publicHost),
      updateMetadataDir: config.paths.clientSupplies.updateMetadata,
      runtimeArchivesDir: config.paths.clientSupplies.runtimeArchives,
      nextProgramsDir: config.paths.clientSupplies.next,
      isCommitted: commits.isCommitted(version),
      licences: licences.installed(),
    }),
    log,
  });
  return { host, web, handed, served, commits, licences, epochs };
}

function knownEpoch(known: { history: string; epoch: number } | undefined): { knownEpoch?: number; knownHistory?: string } {
  return known === undefined ? {} : { knownEpoch: known.epoch, knownHistory: known.history };
}

/** The folder of software/base that this process runs from; undefined from a checkout. */
export function baseFolder(config: BaseConfig): string | undefined {
  return new Slots(config.paths).holds('base', config.baseDir) ? basename(config.baseDir) : undefined;
}

/** The version of the site that the pointer names now; the checkout, when base runs from one. */
function siteSoftware(config: BaseConfig): SiteSoftware {
  const staged = baseFolder(config) === undefined ? undefined : new Slots(config.paths).siteSoftware();
  if (staged !== undefined) return staged;
  const program = (file: string): string => join(config.siteDir, 'apps', 'site', 'src', file);
  return {
    folder: '',
    version: config.siteVersion,
    directory: config.siteDir,
    node: process.execPath,
    runtimeDir: config.runtimeDir,
    programs: { main: program('main.ts'), relay: program('relay-main.ts') },
  };
}

/** The front door as this machine reaches it. */
export function ownUrl({ listen, port }: BaseConfig): string {
  const address = listen === '0.0.0.0' ? '127.0.0.1' : listen === '::' ? '::1' : listen;
  return `https://${address.includes(':') ? `[${address}]` : address}:${port}`;
}
