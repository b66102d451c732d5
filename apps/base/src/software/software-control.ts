import { AppError } from '@bascule/errors/app-error.ts';
import type { ControlAnswer, ControlRequest } from '@bascule/protocol/appliance-control.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import type { Software } from './software.ts';

type Verb = Extract<ControlRequest['kind'], `updates${string}`>;
export type ControlVerbs = {
  [K in Verb]: (request: Extract<ControlRequest, { kind: K }>) => ControlAnswer | Promise<ControlAnswer>;
};

/** Installations that are looked through for one. */
const HISTORY_LOOKED_AT = 200;
/** Whoever reached the control socket: base's own user or root, on this machine. */
const COMMAND_LINE: Context = { ...SYSTEM, actor: { ...SYSTEM.actor, name: 'command line on the appliance' } };

/** What the command line asks of the domain over the control socket. What they throw as `AppError` is the answer's error. */
export function controlVerbs(software: Software): ControlVerbs {
  const { updates, engine } = software;
  const state = (): ControlAnswer => ({ ok: true, updates: software.state() });
  return {
    updates: () => state(),
    'updates-check': async () => {
      await updates.check(COMMAND_LINE);
      return state();
    },
    'updates-install': ({ target: name, overrule, acceptEula }) => {
      const target = software.targetOf(name);
      if (!updates.offers().some((offer) => offer.target === target)) throw noPackage(target);
      if (acceptEula !== undefined)
        updates.acceptEula(COMMAND_LINE, { target, sha256: updates.eula(target).sha256, name: acceptEula });
      return { ok: true, installation: software.install(COMMAND_LINE, target, overrule) };
    },
    'updates-import': async ({ file, rootSha256 }) => {
      if (rootSha256 !== undefined) await updates.confirmTrust(COMMAND_LINE, rootSha256, file);
      await updates.imports.importFile(COMMAND_LINE, file);
      return state();
    },
    'updates-roll-back': ({ package: kind }) => ({ ok: true, installation: engine.rollBack(kind, COMMAND_LINE) }),
    'updates-installation': ({ id }) => {
      const found =
        engine.running()?.id === id ? engine.running() : engine.history(HISTORY_LOOKED_AT).find((one) => one.id === id);
      if (found === undefined) throw noInstallation(id);
      return { ok: true, installationState: found, installationLog: engine.logOf(id) };
    },
    'updates-download-key': () => ({ ok: true, downloadKey: updates.makeDownloadKey(COMMAND_LINE).text }),
  };
}

function noPackage(target: string): AppError {
  return new AppError('not-found', 'NOT_FOUND', `There is no package ${target} here; npm run appliance -- updates names them.`);
}

function noInstallation(id: string): AppError {
  return new AppError(
    'not-found',
    'NOT_FOUND',
    `There is no installation ${id}; the history under /appliance > Updates lists them all.`,
  );
}
