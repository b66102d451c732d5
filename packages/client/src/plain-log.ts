/** The log of a client that runs in somebody's terminal: plain sentences instead of JSON lines. */
/** A line of the log, as createLog of @bascule/log makes it. */
interface Line {
  level: number;
  event: string;
  state?: string;
  site?: string;
  reason?: string;
}

const STATES: Record<string, string> = {
  approved: 'Approved: shells can be opened on this machine.',
  'waiting-for-approval': 'An administrator must approve it under Jump > Jump Clients.',
  'to-be-confirmed': 'An administrator must confirm it under Jump > Jump Clients.',
  held: 'Another machine uses the same identity: an administrator must decide under Jump > Jump Clients.',
};
const stateOf = ({ state = '' }: Line) => STATES[state] ?? '';
/** A reason without the full stop that it may end with. */
const why = ({ reason = '' }: Line) => reason.replace(/\.$/, '');

/** What stands here is for people; every other event of level info is left out. */
const SENTENCES: Record<string, (event: Line) => string> = {
  enrolled: () => 'Enrolled. The token is not needed any more.',
  'enrolment-failed': (event) => `Not enrolled yet (${why(event)}). Trying again.`,
  connected: (event) => `Connected to ${event.site}. ${stateOf(event)}`.trim(),
  state: stateOf,
  refused: ({ reason = '' }) => reason,
  'link-ended': (event) => `Connection lost (${why(event)}). Trying again; running shells go on.`,
  'link-failed': (event) => `No connection (${why(event)}). Trying again; running shells go on.`,
  'session-started': () => 'A shell was opened.',
  'session-exited': () => 'A shell has ended.',
  'session-failed': (event) => `A shell could not be opened (${why(event)}).`,
  'session-given-up': () => 'The appliance was away for too long: a shell is ended.',
  'rehearsal-begun': ({ site }) =>
    `The standby is tested with this machine, at ${site}: shells of the test come by a second connection.`,
  'rehearsal-over': (event) => `The test of the standby is over (${why(event)}). Other shells go on.`,
  stopping: () => 'Stopping.',
};
const LEVEL_WARN = 40;

/** The sentence for one JSON line of the log, without its time; undefined when the event says nothing to people. */
export function sentenceOf(json: string): string | undefined {
  const event = JSON.parse(json) as Line;
  const sentence = SENTENCES[event.event];
  if (sentence !== undefined) return sentence(event) || undefined;
  return event.level >= LEVEL_WARN ? `${event.event} ${event.reason ?? ''}`.trim() : undefined;
}

/** A destination for createLog: writes the sentences, each with the local time; what was said last is not said again. */
export function plainLog(output: { write(text: string): unknown }): { write(json: string): void } {
  let last: string | undefined;
  return {
    write(json) {
      const sentence = sentenceOf(json);
      if (sentence === undefined || sentence === last) return;
      last = sentence;
      output.write(`${new Date().toTimeString().slice(0, 8)}  ${sentence}\n`);
    },
  };
}
