/** A wrong option or a state that a person has to mend: printed as one sentence, exit code 2. */
export class UsageError extends Error {}
