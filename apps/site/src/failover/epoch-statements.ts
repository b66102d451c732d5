/** Statements about who holds which epoch (protocol `epochStatement`), signed by the site identity, which both sides of a pair have. */
import { epochStatement, type EpochStatement, type SignedStatement } from '@bascule/protocol/pair-link.ts';

/** What signs and verifies: the site identity. */
export interface StatementSigner {
  sign(bytes: Uint8Array): Uint8Array;
  verify(bytes: Uint8Array, signature: Uint8Array): boolean;
}

export function signStatement(statement: EpochStatement, signer: Pick<StatementSigner, 'sign'>): SignedStatement {
  const text = JSON.stringify(statement);
  return { statement: text, signature: Buffer.from(signer.sign(Buffer.from(text))).toString('base64') };
}

/** What a statement says; undefined when it is none, or the site identity did not sign it: then it claims nothing. */
export function readStatement(
  signed: SignedStatement | null | undefined,
  signer: Pick<StatementSigner, 'verify'>,
): EpochStatement | undefined {
  if (signed === null || signed === undefined) return undefined;
  const { statement, signature } = signed;
  if (!signer.verify(Buffer.from(statement), Buffer.from(signature, 'base64'))) return undefined;
  return readUnverified(signed);
}

/** What a statement of our own store says, without asking who signed it. */
export function readUnverified({ statement }: SignedStatement): EpochStatement | undefined {
  try {
    return epochStatement.safeParse(JSON.parse(statement)).data;
  } catch {
    return undefined;
  }
}

/** Which of two statements rules: the higher epoch; of one epoch, which only two forced takeovers at once can make, the lower key. */
export function isAbove(one: EpochStatement, other: EpochStatement | undefined): boolean {
  if (other === undefined) return true;
  return one.epoch !== other.epoch ? one.epoch > other.epoch : one.holder < other.holder;
}
