/** RC2 in CBC mode (RFC 2268), for reading alone: old PKCS#12 files hide their certificates with it, and OpenSSL as Node builds it has it no more. */

const PI = Buffer.from(
  'd978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2' +
    '179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82' +
    '54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626' +
    '6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7' +
    '08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec' +
    'c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731' +
    '2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9' +
    '0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad',
  'hex',
);
const BLOCK_BYTES = 8;
const ROUNDS = 16;
const WORDS = 4;
/** After which of the rounds, counted from the end, a mash is taken back. */
const MASHES_AFTER = new Set([5, 11]);
const SHIFTS = [1, 2, 3, 5];

/** Decrypts whole blocks; padding is the caller's. `key`: as many bytes as its effective bits. */
export function decryptRc2(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
  const words = expand(key);
  const plain = Buffer.alloc(data.length);
  let previous = iv;
  for (let at = 0; at + BLOCK_BYTES <= data.length; at += BLOCK_BYTES) {
    const block = data.subarray(at, at + BLOCK_BYTES);
    const clear = decryptBlock(words, block);
    for (let i = 0; i < BLOCK_BYTES; i += 1) plain[at + i] = clear[i]! ^ previous[i]!;
    previous = block;
  }
  return plain;
}

/** RFC 2268, 2: 64 words. */
function expand(key: Uint8Array): Uint16Array {
  const EXPANDED_BYTES = 128;
  const l = Buffer.alloc(EXPANDED_BYTES);
  l.set(key);
  for (let i = key.length; i < EXPANDED_BYTES; i += 1) l[i] = PI[(l[i - 1]! + l[i - key.length]!) & 0xff]!;
  l[EXPANDED_BYTES - key.length] = PI[l[EXPANDED_BYTES - key.length]!]!;
  for (let i = EXPANDED_BYTES - 1 - key.length; i >= 0; i -= 1) l[i] = PI[l[i + 1]! ^ l[i + key.length]!]!;
  return Uint16Array.from({ length: EXPANDED_BYTES / 2 }, (_, i) => l.readUInt16LE(2 * i));
}

/** RFC 2268, 4. */
function decryptBlock(k: Uint16Array, block: Uint8Array): Buffer {
  const bytes = Buffer.from(block);
  const r = [0, 1, 2, 3].map((i) => bytes.readUInt16LE(2 * i));
  let j = k.length - 1;
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (let i = WORDS - 1; i >= 0; i -= 1) {
      const shift = SHIFTS[i]!;
      const turned = ((r[i]! >>> shift) | (r[i]! << (16 - shift))) & 0xffff;
      const [a, b, c] = [r[(i + 3) % 4]!, r[(i + 2) % 4]!, r[(i + 1) % 4]!];
      r[i] = (turned - k[j]! - (a & b) - (~a & c)) & 0xffff;
      j -= 1;
    }
    if (!MASHES_AFTER.has(round)) continue;
    for (let i = WORDS - 1; i >= 0; i -= 1) r[i] = (r[i]! - k[r[(i + 3) % 4]! & 63]!) & 0xffff;
  }
  r.forEach((word, i) => bytes.writeUInt16LE(word, 2 * i));
  return bytes;
}
