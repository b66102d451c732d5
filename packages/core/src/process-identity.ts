import { readFileSync } from 'node:fs';

/** A process that a later process can tell from a newer one with the same number. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks from the start of the machine to the start of the process. */
  startTicks: string;
  /** The kernel's id of this start of the machine. */
  machineStart: string;
}

/** Says who the process `pid` is; undefined when it does not run (a zombie does not). Linux only (proc(5)). */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name (field 2) may hold blanks and brackets: count from the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  if (startTicks === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, startTicks, machineStart: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim() };
}

/** Whether that very process still runs. */
export function isRunning(process: ProcessIdentity): boolean {
  const now = identifyProcess(process.pid);
  return now !== undefined && now.startTicks === process.startTicks && now.machineStart === process.machineStart;
}
