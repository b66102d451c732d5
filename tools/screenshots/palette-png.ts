/** Makes screenshots small: a PNG of at most 256 colours, chosen by median cut. Pages of our interface have few; nobody sees the difference. */
import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const COLOURS_MAX = 256;
const CHANNELS: Record<number, number> = { 2: 3, 6: 4 };

interface Image {
  width: number;
  height: number;
  /** One number per pixel: 0xRRGGBB. */
  pixels: Uint32Array;
}

/** The same picture as `png` (8 bits, RGB or RGBA, not interlaced, as Chromium makes them) with a palette. */
export function toPalettePng(png: Buffer): Buffer {
  const image = decode(png);
  const counts = new Map<number, number>();
  for (const pixel of image.pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  return encode(image, choosePalette(counts));
}

function decode(png: Buffer): Image {
  if (!png.subarray(0, SIGNATURE.length).equals(SIGNATURE)) throw new Error('this is no PNG');
  const data: Buffer[] = [];
  let [width, height, channels] = [0, 0, 0];
  for (let at = SIGNATURE.length; at < png.length;) {
    const length = png.readUInt32BE(at);
    const body = png.subarray(at + 8, at + 8 + length);
    const kind = png.toString('latin1', at + 4, at + 8);
    if (kind === 'IHDR') {
      [width, height] = [body.readUInt32BE(0), body.readUInt32BE(4)];
      channels = CHANNELS[body[9]!] ?? 0;
      if (body[8] !== 8 || channels === 0 || body[12] !== 0) throw new Error('this kind of PNG is not read here');
    } else if (kind === 'IDAT') data.push(body);
    at += 12 + length;
  }
  const rows = unfilter(inflateSync(Buffer.concat(data)), width * channels, height, channels);
  const pixels = new Uint32Array(width * height);
  for (let index = 0; index < pixels.length; index++) pixels[index] = rows.readUIntBE(index * channels, 3);
  return { width, height, pixels };
}

/** PNG (third edition), section 9: takes the filter of each row back. */
function unfilter(filtered: Buffer, rowBytes: number, height: number, step: number): Buffer {
  const rows = Buffer.alloc(rowBytes * height);
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (rowBytes + 1)]!;
    for (let x = 0; x < rowBytes; x++) {
      const at = y * rowBytes + x;
      const left = x < step ? 0 : rows[at - step]!;
      const up = y === 0 ? 0 : rows[at - rowBytes]!;
      const corner = x < step || y === 0 ? 0 : rows[at - rowBytes - step]!;
      rows[at] = filtered[at + y + 1]! + [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]!;
    }
  }
  return rows;
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const [toLeft, toUp, toCorner] = [Math.abs(estimate - left), Math.abs(estimate - up), Math.abs(estimate - corner)];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

type Counted = [colour: number, count: number];
const channelOf = (colour: number, shift: number) => (colour >> shift) & 0xff;

/** Median cut: halves the box whose colours differ most, weighed by how often they occur, until there are as many boxes as places. */
function choosePalette(counts: Map<number, number>): Map<number, number> {
  const boxes: Counted[][] = [[...counts]];
  while (boxes.length < COLOURS_MAX) {
    const [worst] = boxes.map((box, index) => ({ index, ...spreadOf(box) })).sort((one, other) => other.error - one.error);
    if (worst === undefined || worst.error === 0) break;
    const box = boxes[worst.index]!.sort((one, other) => channelOf(one[0], worst.shift) - channelOf(other[0], worst.shift));
    const middle = middleOf(box);
    boxes.splice(worst.index, 1, box.slice(0, middle), box.slice(middle));
  }
  const chosen = new Map<number, number>();
  for (const box of boxes) {
    const [often] = box.reduce((one, other) => (other[1] > one[1] ? other : one));
    for (const [colour] of box) chosen.set(colour, often);
  }
  return chosen;
}

/** Along which channel the colours of `box` differ most, and how much that matters. */
function spreadOf(box: Counted[]): { shift: number; error: number } {
  const weight = box.reduce((sum, [, count]) => sum + Math.sqrt(count), 0);
  const spreads = [16, 8, 0].map((shift) => {
    let [least, most] = [255, 0];
    for (const [colour] of box) {
      least = Math.min(least, channelOf(colour, shift));
      most = Math.max(most, channelOf(colour, shift));
    }
    return { shift, error: (most - least) ** 2 * weight };
  });
  return spreads.reduce((one, other) => (other.error > one.error ? other : one));
}

function middleOf(box: Counted[]): number {
  const half = box.reduce((sum, [, count]) => sum + Math.sqrt(count), 0) / 2;
  let sum = 0;
  const middle = box.findIndex(([, count]) => (sum += Math.sqrt(count)) >= half);
  return Math.min(Math.max(1, middle), box.length - 1);
}

function encode({ width, height, pixels }: Image, chosen: Map<number, number>): Buffer {
  const palette = [...new Set(chosen.values())].sort((one, other) => one - other);
  const indexOf = new Map(palette.map((colour, index) => [colour, index]));
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = indexOf.get(chosen.get(pixels[y * width + x]!)!)!;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const colours = Buffer.from(palette.flatMap((colour) => [16, 8, 0].map((shift) => channelOf(colour, shift))));
  const data = deflateSync(rows, { level: 9, memLevel: 9 });
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', colours),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(kind: string, body: Buffer): Buffer {
  const content = Buffer.concat([Buffer.from(kind, 'latin1'), body]);
  const framed = Buffer.alloc(content.length + 8);
  framed.writeUInt32BE(body.length, 0);
  content.copy(framed, 4);
  framed.writeUInt32BE(crc32(content), content.length + 4);
  return framed;
}
