/** Exit codes of `bascule` (docs/operator/console.md). The far shell's own code is given as it is; ours are those of sysexits.h, which shells seldom use. */
export const ExitCode = {
  done: 0,
  /** The command line was wrong. */
  usage: 64,
  /** No Jump Item or session of this name, or several. */
  notFound: 66,
  /** The site cannot be reached, or something is away that has to be there. */
  unavailable: 69,
  /** A mistake in this program. */
  internal: 70,
  /** The access session ended otherwise than by its shell. */
  sessionEnded: 74,
  /** Another time: the Jump Item is offline, a limit is reached. */
  later: 75,
  /** The site's certificate is not trusted. */
  certificate: 76,
  /** Not logged in, or the login was refused. */
  login: 77,
  /** This console is too old, and cannot upgrade itself. */
  upgrade: 78,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** What a person is told, and the code to end with. The message says what is wrong and what to do. */
export class ConsoleError extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}
