import { AppError } from '@bascule/errors/app-error.ts';
import { fromWitness, WITNESS_LINE_MAX_BYTES, type FromWitness } from '@bascule/protocol/witness-link.ts';
import { witnessCode } from '@bascule/protocol/api/failover.ts';
import { readJsonLines, writeJsonLine } from '@bascule/wire/json-lines.ts';
import { dialWitness, type WitnessAccess } from './witness-dial.ts';

const ANSWER_LIMIT_MS = 5_000;

/** The two parts of `bw1.<key>.<secret>`. Throws `WITNESS_CODE_WRONG`. */
export function readWitnessCode(code: string): { witnessKeySha256: string; secret: string } {
  if (!witnessCode.safeParse(code).success) {
    throw new AppError('invalid', 'WITNESS_CODE_WRONG', 'This is no code of a witness: it begins with bw1. and is copied whole.');
  }
  const [, witnessKeySha256 = '', secret = ''] = code.split('.');
  return { witnessKeySha256, secret };
}

/**
 * Makes this appliance's key count at the witness, by the secret of a code; without one it says name and identity anew, which only a key that counts may. Rejects with
 * `WITNESS_UNREACHABLE`, `WITNESS_OTHER_KEY`, `WITNESS_CODE_REFUSED`.
 */
export async function enrolAtWitness(
  access: WitnessAccess,
  facts: { site: string; secret: string; identityPem: string; name: string },
): Promise<void> {
  const socket = await dialWitness(access);
  const { site, secret, identityPem: identity, name } = facts;
  try {
    const answer = await new Promise<FromWitness | undefined>((resolve) => {
      const limit = setTimeout(() => resolve(undefined), ANSWER_LIMIT_MS);
      socket.once('close', () => {
        clearTimeout(limit);
        resolve(undefined);
      });
      readJsonLines(socket, WITNESS_LINE_MAX_BYTES, (value) => resolve(fromWitness.safeParse(value).data));
      writeJsonLine(socket, { kind: 'enrol', nonce: 1, site, secret, identity, name });
    });
    if (answer === undefined) {
      throw new AppError('unavailable', 'WITNESS_UNREACHABLE', 'The witness did not answer: look at its log, and try again.');
    }
    if (answer.outcome !== 'answer') {
      throw new AppError(
        'conflict',
        'WITNESS_CODE_REFUSED',
        'The witness refused the code: it has ended, or belongs to another site, or too many appliances have used it. Print another there.',
      );
    }
  } finally {
    socket.destroy();
  }
}
