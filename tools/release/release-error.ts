/** Ends the command with this sentence for the person who typed it: what is wrong and what to do. */
export class ReleaseError extends Error {}
