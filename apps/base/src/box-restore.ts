/** Restoring, put together with what it needs of the rest of base. */
import type { Log } from '@bascule/log/log.ts';
import type { RestoreRemark } from '@bascule/protocol/api/restore.ts';
import { SYSTEM, type Context, type Store } from '@bascule/store/store.ts';
import type { BoxSettings } from './box-settings/box-settings.ts';
import type { BaseConfig } from './config/config.ts';
import { administratorNames } from './identity/identity.ts';
import type { Plans } from './plans/plans.ts';
import { Restore } from './restore/restore.ts';
import type { SiteHost } from './site-host/site-host.ts';
import type { Software } from './software/software.ts';

export interface BoxRestoreOptions {
  config: BaseConfig;
  store: Store;
  host: SiteHost;
  software: Software;
  plans: Plans;
  boxSettings: BoxSettings;
  knownEpoch(): { history: string; epoch: number } | undefined;
  log: Log;
}

/** One restore, installation or plan at a time. */
export function openRestore(options: BoxRestoreOptions): Restore {
  const { config, store, host, software, plans, boxSettings, knownEpoch, log } = options;
  const restore = new Restore({
    store,
    paths: config.paths,
    applianceName: config.applianceName,
    host,
    knownEpoch,
    busyWith: () => busyWith(software, plans),
    describeSettings: (text) => linesOf(boxSettings, text),
    applySettings: (text, by) => applySettings(boxSettings, text, by),
    administrators: () => administratorNames(store),
    log,
  });
  software.heed(() => restore.assertIdle());
  return restore;
}

function busyWith(software: Software, plans: Plans): RestoreRemark | undefined {
  if (software.engine.running() !== undefined)
    return { code: 'INSTALLATION_RUNNING', message: 'An installation is running: wait until it has ended.', params: {} };
  if (plans.isUnderWay()) return { code: 'PLAN_UNDER_WAY', message: 'An upgrade plan is under way: end it first.', params: {} };
  return undefined;
}

async function linesOf(boxSettings: BoxSettings, text: string): Promise<string[]> {
  const { parts, unknown } = await boxSettings.describe(boxSettings.parse(text));
  return [
    ...parts.flatMap(({ lines }) =>
      lines.map(({ text: line, unfit }) => (unfit === null ? line : `${line} (left out: ${unfit})`)),
    ),
    ...unknown.map((name) => `${name}: this software does not know it; left out`),
  ];
}

/** Through changes that are undone by themselves: whoever restores confirms afterwards that the appliance is still reached. */
async function applySettings(boxSettings: BoxSettings, text: string, by: string): Promise<string[]> {
  const lines = await linesOf(boxSettings, text);
  const context: Context = { ...SYSTEM, actor: { ...SYSTEM.actor, name: `restore by ${by}` } };
  await boxSettings.apply(boxSettings.parse(text), context, { acceptCut: true });
  return lines;
}
