import { pino, type DestinationStream, type Logger } from 'pino';

export type Log = Logger;

/** Field names whose values never reach a log line, at the top level and one level below. */
const SECRET_FIELDS = ['password', 'secret', 'token', 'ticket', 'cookie', 'authorization', 'privateKey', 'key', 'code'];

/** Lines that wait because the disk takes none; what comes beyond it is dropped. */
const WAITING_MAX_BYTES = 1024 * 1024;

/**
 * Makes the logger of a program: one JSON line per event on standard output (or to `destination`), first argument the event's name, then fields.
 * error = a person must act; warn = degraded; info = state changed; debug = the rest.
 */
export function createLog(
  program: string,
  level = process.env['BASCULE_LOG_LEVEL'] ?? 'info',
  destination?: DestinationStream,
): Log {
  const options = {
    base: { program, pid: process.pid },
    level,
    messageKey: 'event',
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[secret]' },
  };
  return pino(options, destination ?? standardOutput());
}

/** Standard output, which may be a file on a disk that is full or failing: a line that cannot be written must not end the program. */
function standardOutput(): DestinationStream {
  const output = pino.destination({ dest: process.stdout.fd, sync: false, maxLength: WAITING_MAX_BYTES });
  output.on('error', () => undefined);
  return output;
}
