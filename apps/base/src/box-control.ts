/** What `npm start` and `npm run appliance` ask base over the control socket, but for what domains answer themselves. */
import type { Accounts } from '@bascule/accounts/accounts.ts';
import type { ControlAnswer, ProcessState } from '@bascule/protocol/appliance-control.ts';
import { SYSTEM } from '@bascule/store/store.ts';
import { publicAddress, type BaseConfig } from './config/config.ts';
import type { ControlHandlers } from './http/http.ts';
import type { Clock } from './network/network.ts';
import type { SiteHost } from './site-host/site-host.ts';

/** Whoever reached the control socket: base's own user or root, on this machine. */
const LOCAL_ADMINISTRATOR = { ...SYSTEM, actor: { ...SYSTEM.actor, name: 'command line on the appliance' } };

export interface BoxControlOptions {
  config: BaseConfig;
  host: SiteHost;
  accounts: Accounts;
  clock: Clock;
  processes(): ProcessState[];
  /** Of /appliance, once. */
  takeFirstPassword(): string | undefined;
  stop(): Promise<unknown>;
}

type Handlers = Pick<
  ControlHandlers,
  'status' | 'wait-ready' | 'reset-password' | 'reset-second-factor' | 'local-client-token' | 'accept-time' | 'stop'
>;

export function boxControlHandlers({ config, host, accounts, clock, ...options }: BoxControlOptions): Handlers {
  const status = (): ControlAnswer => ({
    ok: true,
    status: { address: publicAddress(config), version: config.version, ready: host.ready, processes: options.processes() },
  });
  return {
    status,
    'wait-ready': async ({ timeoutMs }) => {
      const outcome = await host.whenReady(timeoutMs);
      if (outcome === 'failed') return { ok: false, error: host.failure ?? 'The site cannot start.' };
      if (outcome === 'late')
        return { ok: false, error: `The site is not ready after ${Math.round(timeoutMs / 1000)} s; the log says more.` };
      return { ...status(), firstPasswords: { appliance: options.takeFirstPassword(), login: host.takeFirstPassword() } };
    },
    'reset-password': async ({ interface: where, user }) => ({
      ok: true,
      password: where === 'appliance' ? await accounts.resetPassword(LOCAL_ADMINISTRATOR, user) : await host.resetPassword(user),
    }),
    'reset-second-factor': async ({ interface: where, user }) => {
      if (where === 'appliance') accounts.resetSecondFactor(LOCAL_ADMINISTRATOR, user);
      else await host.resetSecondFactor(user);
      return { ok: true };
    },
    'local-client-token': async () => ({ ok: true, token: await host.localClientToken() }),
    'accept-time': () => {
      clock.acceptSystemTime(LOCAL_ADMINISTRATOR);
      return { ok: true };
    },
    stop: async () => {
      await options.stop();
      return { ok: true };
    },
  };
}
