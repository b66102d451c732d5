import type { ControlAnswer, ControlRequest } from '@bascule/protocol/appliance-control.ts';
import { SYSTEM, type Context } from '@bascule/store/store.ts';
import type { Restore } from './restore.ts';

type Verb = Extract<ControlRequest['kind'], `restore${string}`>;
export type RestoreControlVerbs = {
  [K in Verb]: (request: Extract<ControlRequest, { kind: K }>) => ControlAnswer | Promise<ControlAnswer>;
};

/** Whoever reached the control socket: base's own user or root, on this machine. */
const COMMAND_LINE: Context = { ...SYSTEM, actor: { ...SYSTEM.actor, name: 'command line on the appliance' } };

/** What the command line asks over the control socket, for a box whose pages nobody can reach. What they throw as `AppError` is the answer's error. */
export function restoreControlVerbs(restore: Restore): RestoreControlVerbs {
  return {
    restore: () => ({ ok: true, restore: restore.state() }),
    'restore-look': async ({ file, password }) => {
      await restore.look.begin(COMMAND_LINE, file, password);
      await restore.look.settled();
      return { ok: true, restore: restore.state() };
    },
    'restore-start': ({ file, password, withBoxSettings, breakPair, confirm }) => ({
      ok: true,
      restoration: restore.start(COMMAND_LINE, { upload: file, password, withBoxSettings, breakPair, confirm }),
    }),
    'restore-undo': ({ confirm }) => {
      const { last } = restore.state();
      return { ok: true, restoration: restore.undo(COMMAND_LINE, last?.id ?? '', confirm) };
    },
    'restore-one': ({ id }) => ({ ok: true, restore: restore.find(id), restorationLog: restore.logOf(id) }),
  };
}
