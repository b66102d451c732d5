import { route, type AnyRoute } from '@bascule/http/route.ts';
import { ntpSettings, ntpState, type NtpState } from '@bascule/protocol/api/updates.ts';
import type { Clock } from './network-clock.ts';
import { hostServers, hostSynchronised } from './network-host-time.ts';

/** Networking > IP configuration, the part about time (B14, B80, B81). */
export function networkRoutes(clock: Clock): AnyRoute[] {
  const state = (): NtpState => ({
    settings: clock.settings(),
    clock: clock.state(),
    hostSynchronised: hostSynchronised(),
    hostServers: hostServers(),
  });
  return [
    route({ method: 'GET', url: '/network/ntp', action: 'box.network.read', answer: ntpState, handle: state }),
    route({
      method: 'PUT',
      url: '/network/ntp',
      action: 'box.network.change',
      body: ntpSettings,
      answer: ntpState,
      async handle({ body, context }) {
        clock.change(context, body);
        await clock.check();
        return state();
      },
    }),
    route({
      method: 'POST',
      url: '/network/ntp/check',
      action: 'box.network.change',
      answer: ntpState,
      async handle() {
        await clock.check();
        return state();
      },
    }),
  ];
}
