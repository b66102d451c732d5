/** Reading and writing of ASN.1 by position (X.690), as far as PKCS#7, #8 and #12 need it. Old programs write BER: lengths without end and strings in pieces are read too. */
import {
  Constructed,
  fromBER,
  Integer,
  Null,
  ObjectIdentifier,
  OctetString,
  Primitive,
  Sequence,
  Set as SetOf,
  type AsnType,
} from 'asn1js';

export type Part = AsnType;

/** Thrown for bytes that are no ASN.1, or not the structure that was expected. */
export class NotThat extends Error {}

/** Reads one value that fills `bytes`. */
export function parse(bytes: Uint8Array): Part {
  const { offset, result } = fromBER(bytes);
  if (offset === -1) throw new NotThat('no ASN.1');
  return result;
}

/** The parts of a sequence, a set, or a tagged value that is made of parts. */
export function partsOf(part: Part | undefined): Part[] {
  if (part instanceof Sequence || part instanceof SetOf || part instanceof Constructed) return part.valueBlock.value as Part[];
  throw new NotThat('parts expected');
}

export function isSequence(part: Part): boolean {
  return part instanceof Sequence;
}

/** What is inside a value with an explicit tag, or the first of parts. */
export function only(part: Part | undefined): Part {
  const [first] = partsOf(part);
  if (first === undefined) throw new NotThat('a value expected');
  return first;
}

export function oidOf(part: Part | undefined): string {
  if (part instanceof ObjectIdentifier) return part.valueBlock.toString();
  throw new NotThat('an object identifier expected');
}

/** The bytes of an octet string, also of one in pieces or with an implicit tag. */
export function bytesOf(part: Part | undefined): Buffer {
  if (part instanceof OctetString) return Buffer.from(part.getValue());
  if (part instanceof Primitive) return Buffer.from(part.valueBlock.valueHexView);
  if (part instanceof Constructed) return Buffer.concat(partsOf(part).map(bytesOf));
  throw new NotThat('an octet string expected');
}

/** A whole number up to 2^53. */
export function numberOf(part: Part | undefined): number {
  if (!(part instanceof Integer)) throw new NotThat('a number expected');
  const value = Number(part.toBigInt());
  if (!Number.isSafeInteger(value)) throw new NotThat('a smaller number expected');
  return value;
}

/** The bytes of `part` as they stood, with its tag and length. */
export function rawOf(part: Part): Buffer {
  return Buffer.from(part.valueBeforeDecodeView);
}

/** Whether `part` bears the tag [`number`]. */
export function isTagged(part: Part | undefined, number: number): boolean {
  const CONTEXT = 3;
  return part?.idBlock.tagClass === CONTEXT && part.idBlock.tagNumber === number;
}

export function sequence(...value: Part[]): Sequence {
  return new Sequence({ value });
}
export function setOf(...value: Part[]): SetOf {
  return new SetOf({ value });
}
export function oid(value: string): ObjectIdentifier {
  return new ObjectIdentifier({ value });
}
export function octets(valueHex: Uint8Array): OctetString {
  return new OctetString({ valueHex });
}
export function number(value: number): Integer {
  return new Integer({ value });
}
export function nothing(): Null {
  return new Null();
}
/** [`tagNumber`] around `inner`. */
export function tagged(tagNumber: number, ...value: Part[]): Constructed {
  return new Constructed({ idBlock: { tagClass: 3, tagNumber }, value });
}
/** [`tagNumber`] in the place of the tag of an octet string. */
export function taggedOctets(tagNumber: number, valueHex: Uint8Array): Primitive {
  return new Primitive({ idBlock: { tagClass: 3, tagNumber }, valueHex });
}
export function encode(part: Part): Buffer {
  return Buffer.from(part.toBER());
}
