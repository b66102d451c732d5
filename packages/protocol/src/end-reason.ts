/** Why an access session ended; stored in its row, in the recording's last frame and in the audit event. Permanent values. */
export const EndReason = {
  /** The person who opened it pressed 'End session'. */
  user: 'ended-by-user',
  /** An administrator ended it from the list of active sessions. */
  administrator: 'ended-by-administrator',
  /** The far process exited by itself. */
  processExited: 'process-exited',
  /** Nobody had it open for longer than the policy allows. */
  notResumed: 'not-resumed-in-time',
  /** The Jump Client stayed away for longer than the policy allows. */
  clientAway: 'client-away-too-long',
  /** The recording could not be written: never unrecorded. */
  recordingFailed: 'recording-failed',
  /** A limit of the site was reached (bytes of one recording). */
  limitReached: 'limit-reached',
  /** The Jump Client was stopped or restarted, and its processes with it. */
  clientStopped: 'client-stopped',
  /** The Jump Client was revoked or deleted. */
  clientRevoked: 'client-revoked',
  /** The user was disabled, or lost the right to it. */
  userDisabled: 'user-disabled',
  /** The Jump Client could not start the program. */
  startFailed: 'start-failed',
  /** The Jump Client broke the protocol (a gap, a wrong offset). */
  protocolViolation: 'protocol-violation',
} as const;
export type EndReason = (typeof EndReason)[keyof typeof EndReason];
export const endReasons = Object.values(EndReason) as [EndReason, ...EndReason[]];
