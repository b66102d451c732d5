import type { MailTexts } from '../mail-texts.ts';

const PACKAGE = { base: 'base', site: 'site', licence: 'licence' } as const;
const body = (...lines: string[]): string => `${lines.filter((line) => line !== '').join('\n\n')}\n`;
const over = (fromVersion: string | null): string => (fromVersion === null ? '' : ` over ${fromVersion}`);

export const en: MailTexts = {
  installed: (event, sender) => ({
    subject: `${sender}: ${PACKAGE[event.package]} ${event.version} is installed`,
    text: body(
      `${sender} has installed ${PACKAGE[event.package]} ${event.version}${over(event.fromVersion)}. ${event.startedBy} started it.`,
      `What was looked at afterwards is listed under ${event.page}.`,
    ),
  }),
  'rolled-back': (event, sender) => ({
    subject: `${sender}: ${PACKAGE[event.package]} ${event.version} was rolled back`,
    text: body(
      `${sender} has undone the installation of ${PACKAGE[event.package]} ${event.version} by itself; ${event.fromVersion ?? 'the version before'} runs again. No data was lost.`,
      `Step: ${event.step}\nCause: ${event.cause}`,
      event.advice === '' ? '' : `What to do: ${event.advice}`,
      event.mayRetry ? 'It may be tried again.' : 'Do not try it again before the cause is mended.',
      `More under ${event.page}.`,
    ),
  }),
  failed: (event, sender) => ({
    subject: `${sender}: ${PACKAGE[event.package]} ${event.version} was not installed`,
    text: body(
      `The installation of ${PACKAGE[event.package]} ${event.version} on ${sender} ended before anything was changed.`,
      `Step: ${event.step}\nCause: ${event.cause}`,
      event.advice === '' ? '' : `What to do: ${event.advice}`,
      `More under ${event.page}.`,
    ),
  }),
  'needs-attention': (event, sender) => ({
    subject: `${sender} needs attention`,
    text: body(event.what, event.advice === '' ? '' : `What to do: ${event.advice}`, `More under ${event.page}.`),
  }),
  'upgrade-ready': (event, sender) => ({
    subject: `An upgrade is ready for ${event.appliance}`,
    text: body(
      `These packages are ready for the appliance ${event.appliance}, in this order:`,
      event.releases
        .map((release) => `- ${PACKAGE[release.package]} ${release.version}${release.isEmergency ? ' (emergency)' : ''}`)
        .join('\n'),
      `On the appliance, open /appliance > Updates and choose Check for Updates. Without a connection to ${sender}, redeem an Appliance Download Key at ${event.page}.`,
      `Read the change log before you begin (${new URL('/changes', event.page).href}), and make a backup.`,
    ),
  }),
  'clients-halted': (event, sender) => ({
    subject: `${sender}: the upgrade of Jump Clients to ${event.version} has halted`,
    text: body(
      `${sender} has stopped upgrading Jump Clients to ${event.version}, in the ring ${event.ring}: of ${event.begun} that were begun with, ${event.bad} failed, were rolled back or are silent. The others keep the version that they have, and work.`,
      'What to do: look at the reasons, mend the cause, and choose Resume.',
      `More under ${event.page}.`,
    ),
  }),
  'clients-upgraded': (event, sender) => ({
    subject: `${sender}: Jump Clients are upgraded to ${event.version}`,
    text: body(
      `${sender} has finished the upgrade of Jump Clients to ${event.version}: ${event.current} run it. Away: ${event.absent}; they are upgraded when they come back. Failed: ${event.failed}.`,
      `The list and the signed proof are under ${event.page}.`,
    ),
  }),
  test: (_event, sender) => ({
    subject: `Test mail from ${sender}`,
    text: body(`${sender} can send mail. Nothing is to be done.`),
  }),
};
