/**
 * Which process something belongs to, as text that can stand in a file's name: its id and, where the system tells (Linux),
 * when it began, since ids are used again. Of a process on another machine nothing can be said: it counts as alive.
 *
 *     HOST-PID-BEGAN      host: 8 hex digits of a hash of the machine's name
 */
import { createHash, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { pid } from 'node:process';

const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
const PATTERN = /^([0-9a-f]{8})-(\d+)-(\d+)$/;
/** Where /proc/PID/stat has the time at which it began, counted after the name in brackets. */
const BEGAN_FIELD = 19;
const UNKNOWN = '0';
const ENDED = 'ended';

/** Of this process. */
export const OWN_MARK = `${HOST}-${pid}-${beganOf(pid)}`;

/** Begins anywhere: the threads of a process have one mark, and each of them counts for itself. */
let numbers = randomInt(2 ** 47);

/** For a name that with the mark no other file, thread or process has. */
export function nextNumber(): number {
  return numbers++;
}

export interface MarkParts {
  readonly isHere: boolean;
  readonly pid: number;
}

/** Undefined for what is no mark. */
export function partsOfMark(mark: string): MarkParts | undefined {
  const [, host, id] = PATTERN.exec(mark) ?? [];
  return id === undefined ? undefined : { isHere: host === HOST, pid: Number(id) };
}

/** Whether that process may still be there. What is no mark is nobody's. */
export function isAlive(mark: string): boolean {
  const [, host, id, began] = PATTERN.exec(mark) ?? [];
  if (id === undefined) {
    return false;
  }
  if (host !== HOST) {
    return true;
  }
  if (!isRunning(Number(id))) {
    return false;
  }
  const begins = beganOf(Number(id));
  return begins !== ENDED && (began === UNKNOWN || begins === UNKNOWN || began === begins);
}

function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    // Somebody else's process cannot be signalled, but it is there.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process began; ENDED for one that only waits for its parent to look. */
function beganOf(id: number): string {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${id}/stat`, 'latin1');
  } catch {
    return UNKNOWN;
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? ENDED : (fields[BEGAN_FIELD] ?? UNKNOWN);
}
