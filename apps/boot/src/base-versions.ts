import { existsSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Refusal } from './refusal.ts';
import { isVersionFolder, readTrial, removeTrial, writeTrial, type Trial } from './trial-file.ts';

/** What is started as base. */
export interface BaseProgram {
  node: string;
  main: string;
  /** The version on trial that this is. */
  trial?: Trial;
}

type Note = (event: string, fields: Record<string, string | number>) => void;

/** Which version of base is started: the one of --base, the one on trial, or the one that `current` names (docs/spec/boot.md, 6). */
export class BaseVersions {
  readonly #source: { base: string } | { software: string };
  readonly #note: Note;
  /** A trial that is over but whose file could not be removed. */
  #refused: string | undefined;

  constructor(source: { base: string } | { software: string }, note: Note) {
    this.#source = source;
    this.#note = note;
  }

  /** What to start now. A version on trial has been counted, on disk, when this returns. Throws `Refusal` when there is no version at all. */
  select(): BaseProgram {
    if ('base' in this.#source) return { node: process.execPath, main: this.#source.base };
    const trial = this.#trial();
    if (trial !== undefined) {
      const counted = this.#count(trial);
      if (counted !== undefined) return counted;
    }
    const folder = this.#current();
    const program = folder === undefined ? undefined : this.#programOf(folder);
    if (program !== undefined) return program;
    throw new Refusal(
      `${join(this.#folder, 'current')} names no version of base; bring ${this.#folder} back from a copy, or from a checkout start with npm start -- --restage.`,
    );
  }

  /** The version on trial for its first start, counted; or the sentence why there is none. */
  selectCandidate(): BaseProgram | string {
    const trial = 'base' in this.#source ? undefined : this.#trial();
    if (trial === undefined) return 'There is no version of base on trial.';
    return this.#count(trial) ?? 'The version of base on trial cannot be started.';
  }

  /** Whether `trial` goes on: its file still names it. base removes the file when it commits. */
  isOn(trial: Trial): boolean {
    if ('base' in this.#source) return false;
    const now = readTrial(this.#file);
    return typeof now === 'object' && now.folder === trial.folder && now.folder !== this.#current();
  }

  /** The folder of the trial that is on. */
  trialFolder(): string | undefined {
    const trial = 'base' in this.#source ? undefined : readTrial(this.#file);
    return typeof trial === 'object' ? trial.folder : undefined;
  }

  /** Ends the trial: `current` counts again. */
  fallBack(folder: string, reason: string): void {
    this.#note('trial.failed', { folder, reason });
    this.#remove(folder);
  }

  get #folder(): string {
    return join('software' in this.#source ? this.#source.software : '', 'base');
  }
  get #file(): string {
    return join(this.#folder, 'trial.json');
  }

  /** The trial that may be started once more. */
  #trial(): Trial | undefined {
    const trial = readTrial(this.#file);
    if (trial === undefined) return undefined;
    if (trial === 'damaged') {
      this.#note('trial.damaged', { file: this.#file });
      this.#remove('');
      return undefined;
    }
    if (trial.folder === this.#refused) return undefined;
    if (trial.folder === this.#current()) {
      // Killed between the two halves of the commit.
      this.#note('trial.committed', { folder: trial.folder });
      this.#remove(trial.folder);
      return undefined;
    }
    const reason = this.#whyOver(trial);
    if (reason === undefined) return trial;
    this.fallBack(trial.folder, reason);
    return undefined;
  }

  #whyOver(trial: Trial): string | undefined {
    if (trial.tries >= trial.maxTries) return `it was started ${trial.tries} times`;
    if (Date.now() >= trial.deadlineMs) return 'it was not confirmed in time';
    return this.#programOf(trial.folder) === undefined ? 'it is not there' : undefined;
  }

  #count(trial: Trial): BaseProgram | undefined {
    const counted = { ...trial, tries: trial.tries + 1 };
    try {
      writeTrial(this.#file, counted);
    } catch (error) {
      // What cannot be counted could be started for ever.
      this.fallBack(trial.folder, `its start cannot be counted: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
    this.#note('trial.counted', { folder: trial.folder, tries: counted.tries, maxTries: trial.maxTries });
    const program = this.#programOf(trial.folder);
    return program && { ...program, trial: counted };
  }

  #remove(folder: string): void {
    if (removeTrial(this.#file)) return;
    this.#refused = folder;
    this.#note('trial.not-removed', { file: this.#file });
  }

  #current(): string | undefined {
    try {
      const folder = readlinkSync(join(this.#folder, 'current'));
      return isVersionFolder(folder) ? folder : undefined;
    } catch {
      return undefined;
    }
  }

  /** Without a runtime of its own (a staged checkout may have none) a version runs with boot's. */
  #programOf(folder: string): BaseProgram | undefined {
    const main = join(this.#folder, folder, 'apps', 'base', 'src', 'main.ts');
    const node = join(this.#folder, folder, 'runtime', 'bin', 'node');
    return existsSync(main) ? { main, node: existsSync(node) ? node : process.execPath } : undefined;
  }
}
