import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32, deflateSync, inflateSync } from 'node:zlib';
import { toPalettePng } from './palette-png.ts';

const [WIDTH, HEIGHT] = [9, 10];
const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

function chunk(kind: string, body: Buffer): Buffer {
  const framed = Buffer.concat([Buffer.alloc(4), Buffer.from(kind, 'latin1'), body, Buffer.alloc(4)]);
  framed.writeUInt32BE(body.length, 0);
  framed.writeUInt32BE(crc32(framed.subarray(4, -4)), framed.length - 4);
  return framed;
}

/** The channel's value that a row's filter (PNG, section 9) subtracts. */
function predicted(filter: number, left: number, up: number, corner: number): number {
  if (filter === 4) {
    const distances = [left, up, corner].map((value) => Math.abs(left + up - corner - value));
    return [left, up, corner][distances.indexOf(Math.min(...distances))]!;
  }
  return [0, left, up, (left + up) >> 1][filter]!;
}

/** An RGB picture whose rows use every filter in turn. */
function rgbPng(colourAt: (x: number, y: number) => readonly number[]): Buffer {
  const valueAt = (x: number, y: number, channel: number) => (x < 0 || y < 0 ? 0 : colourAt(x, y)[channel]!);
  const rows: number[] = [];
  for (let y = 0; y < HEIGHT; y++) {
    rows.push(y % 5);
    for (let x = 0; x < WIDTH; x++)
      for (let channel = 0; channel < 3; channel++) {
        const around = [valueAt(x - 1, y, channel), valueAt(x, y - 1, channel), valueAt(x - 1, y - 1, channel)] as const;
        rows.push((valueAt(x, y, channel) - predicted(y % 5, ...around)) & 0xff);
      }
  }
  const header = Buffer.from([0, 0, 0, WIDTH, 0, 0, 0, HEIGHT, 8, 2, 0, 0, 0]);
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.from(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Colours of a palette picture, row by row. */
function coloursOf(png: Buffer): number[][] {
  const bodies = new Map<string, Buffer>();
  for (let at = SIGNATURE.length; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const body = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
    assert.equal(png.readUInt32BE(at + 8 + body.length), crc32(png.subarray(at + 4, at + 8 + body.length)));
    bodies.set(png.toString('latin1', at + 4, at + 8), body);
  }
  const palette = bodies.get('PLTE')!;
  const rows = inflateSync(bodies.get('IDAT')!);
  return Array.from({ length: WIDTH * HEIGHT }, (_, index) => {
    const place = rows[index + Math.floor(index / WIDTH) + 1]! * 3;
    return [...palette.subarray(place, place + 3)];
  });
}

const pixels = <T>(colourAt: (x: number, y: number) => T): T[] =>
  Array.from({ length: WIDTH * HEIGHT }, (_, index) => colourAt(index % WIDTH, Math.floor(index / WIDTH)));

test('a picture of few colours keeps every pixel, whatever filters its rows use', () => {
  const colourAt = (x: number, y: number) => [x * 25, y * 20, (x * y * 3) & 0xff] as const;
  assert.deepEqual(coloursOf(toPalettePng(rgbPng(colourAt))), pixels(colourAt));
});

test('what is no such PNG is refused', () => {
  assert.throws(() => toPalettePng(Buffer.from('GIF89a......')), /no PNG/);
});
