/** A folder for tests that make thousands of files and care for none of them afterwards: in memory where the system has such a disk. */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';

const MEMORY = '/dev/shm';

export const QUICK_DISK = existsSync(MEMORY) ? MEMORY : tmpdir();
