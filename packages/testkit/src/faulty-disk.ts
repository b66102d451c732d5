/** A file system of its own for an appliance, which can be filled up and can die: for tests that run as root. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { waitUntil } from './wait-until.ts';

const PIECE = Buffer.alloc(256 * 1024);
/** EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH (linux/ext4.h): from then on every write fails with EIO, and what was not synced is gone. */
const SHUT_DOWN = `import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))`;

/** Why it cannot be had here; undefined when it can. */
export function whyNoFaultyDisk(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root, to mount';
  if (!existsSync('/dev/loop-control') || !existsSync('/usr/sbin/mkfs.ext4')) return 'needs loop devices and mkfs.ext4';
  return undefined;
}

/** ext4 in an image file, mounted at `directory`. */
export class FaultyDisk implements AsyncDisposable {
  readonly directory: string;
  readonly #image: string;

  /** `directory` is made; the image lies beside it. */
  constructor(directory: string, megabytes: number) {
    this.directory = directory;
    this.#image = `${directory}.img`;
    writeFileSync(this.#image, '');
    truncateSync(this.#image, megabytes * 1024 * 1024);
    // No blocks set aside for root: it is full for everybody at once.
    run('mkfs.ext4', ['-q', '-m', '0', this.#image]);
    mkdirSync(directory, { recursive: true });
    this.mount();
    rmSync(join(directory, 'lost+found'), { recursive: true });
  }

  mount(): void {
    run('mount', ['-o', 'loop', this.#image, this.directory]);
  }

  /** Nothing fits any more. */
  fill(): void {
    const descriptor = openSync(this.#filler, 'w');
    try {
      for (let size = PIECE.length; size >= 1; size = size >> 1) writeUntilFull(descriptor, PIECE.subarray(0, size));
    } finally {
      closeSync(descriptor);
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  /** It dies: nothing can be written, and of what was written only what was synced is there after the next mount. As a power cut. */
  die(): void {
    run('python3', ['-c', SHUT_DOWN, this.directory]);
  }

  /** Unmounts it, once nobody uses it any more. */
  async unmount(): Promise<void> {
    await waitUntil('the disk is not used any more', () => spawnSync('umount', [this.directory]).status === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (spawnSync('mountpoint', ['-q', this.directory]).status === 0) await this.unmount();
    rmSync(this.#image, { force: true });
  }

  get #filler(): string {
    return join(this.directory, 'filler');
  }
}

function writeUntilFull(descriptor: number, piece: Uint8Array): void {
  try {
    for (;;) writeSync(descriptor, piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

function run(command: string, args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.at(-1)} ended with ${status}: ${stderr}`);
}
