/** Runs the built command line as a user would, in a process of its own. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ENTRY = fileURLToPath(new URL('../../dist/main/cli/index.js', import.meta.url));
/** A replay that hangs is a failure of the test, not of the run. */
const TIMEOUT_MS = 50_000;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Written to standard input, which is then closed; 'open' leaves it silent. */
  readonly stdin?: string | Buffer | 'open';
  /** Sends SIGINT after so long. */
  readonly interruptAfterMs?: number;
  readonly env?: NodeJS.ProcessEnv;
}

export function runCommand(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { stdin = '', interruptAfterMs, env } = options;
  const child = spawn(process.execPath, [ENTRY, ...args], { timeout: TIMEOUT_MS, env: { ...process.env, ...env } });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A command that ends before it has read everything closes the pipe: its right.
  child.stdin.on('error', () => {});
  if (stdin !== 'open') {
    child.stdin.end(stdin);
  }
  const interrupt =
    interruptAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGINT'), interruptAfterMs);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(interrupt);
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() });
    });
  });
}

/** A folder of traces that a test makes up. */
export class TraceFolder {
  readonly #path = mkdtempSync(join(tmpdir(), 'shardstash-cli-'));

  write(name: string, content: string | Buffer): string {
    const path = this.path(name);
    writeFileSync(path, content);
    return path;
  }

  path(name: string): string {
    return join(this.#path, name);
  }

  remove(): void {
    rmSync(this.#path, { recursive: true, force: true });
  }
}
