/** Statements about who holds which epoch of which history, signed by the site identity. Anything else that claims an epoch is ignored (docs/spec/pair.md). */
import { createPublicKey, verify, X509Certificate } from 'node:crypto';
import { AppError } from '@bascule/errors/app-error.ts';
import { epochStatement, signedStatement, type EpochStatement, type SignedStatement } from '@bascule/protocol/pair-link.ts';

/** Makes a statement; `sign` is the site identity's (ECDSA over SHA-256, the signature in DER). */
export function signStatement(content: Omit<EpochStatement, 'format'>, sign: (bytes: Uint8Array) => Uint8Array): SignedStatement {
  const statement = JSON.stringify(epochStatement.parse({ format: 'bascule-epoch/1', ...content }));
  return signedStatement.parse({ statement, signature: Buffer.from(sign(Buffer.from(statement, 'utf8'))).toString('base64') });
}

/**
 * The statement that `signed` holds, if one of `identities` signed it (PEM of certificates or public keys: the identity in force, and those before it). Throws
 * `PAIR_STATEMENT_WRONG`.
 */
export function readStatement(signed: SignedStatement, identities: readonly string[]): EpochStatement {
  const bytes = Buffer.from(signed.statement, 'utf8');
  const signature = Buffer.from(signed.signature, 'base64');
  if (!identities.some((pem) => isSignedBy(bytes, signature, pem))) throw wrong('is not signed by the site identity');
  const statement = statementOf(signed);
  if (statement === undefined) throw wrong('is not about an epoch');
  return statement;
}

/** What `signed` says, without a look at its signature: for what was verified when it was kept. Undefined when it is no statement. */
export function statementOf(signed: SignedStatement): EpochStatement | undefined {
  try {
    return epochStatement.safeParse(JSON.parse(signed.statement)).data;
  } catch {
    return undefined;
  }
}

function isSignedBy(bytes: Uint8Array, signature: Uint8Array, pem: string): boolean {
  try {
    const key = pem.includes('BEGIN CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem);
    return verify('sha256', bytes, key, signature);
  } catch {
    return false;
  }
}

function wrong(what: string): AppError {
  return new AppError('invalid', 'PAIR_STATEMENT_WRONG', `The statement about who is primary ${what}; it is ignored.`);
}
