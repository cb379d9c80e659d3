/** Runs the built command line as a user would, in a process of its own. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ENTRY = fileURLToPath(new URL('../../dist/main/cli/index.js', import.meta.url));
/** A command that hangs fails its test, and does not outlive it. */
const TIMEOUT_MS = 50_000;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Written to standard input. */
  readonly stdin?: string | Buffer;
  /** Leaves standard input open, and sends SIGINT when the command first writes to stderr. */
  readonly interruptedAtFirstMessage?: boolean;
  /** Sends SIGINT after so long. */
  readonly interruptedAfterMs?: number;
  /** Closes the reading end of stdout at once. */
  readonly closesStdout?: boolean;
}

export function runCommand(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { stdin = '', interruptedAtFirstMessage = false, interruptedAfterMs, closesStdout = false } = options;
  const child = spawn(process.execPath, [ENTRY, ...args], { timeout: TIMEOUT_MS });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A command that ends before it has read everything closes the pipe: its right.
  child.stdin.on('error', () => {});
  if (interruptedAtFirstMessage) {
    child.stdin.write(stdin);
    child.stderr.once('data', () => child.kill('SIGINT'));
  } else {
    child.stdin.end(stdin);
  }
  if (interruptedAfterMs !== undefined) {
    setTimeout(() => child.kill('SIGINT'), interruptedAfterMs).unref();
  }
  if (closesStdout) {
    child.stdout.destroy();
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
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
