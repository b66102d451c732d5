/** Why boot does not start, in one sentence for a person. `exitCode`: 1 cannot, 2 wrong use, 3 runs already. */
export class Refusal extends Error {
  readonly exitCode: 1 | 2 | 3;
  constructor(message: string, exitCode: 1 | 2 | 3 = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
