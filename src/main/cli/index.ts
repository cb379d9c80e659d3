#!/usr/bin/env node
/**
 * The command line: finds the command, hands it the rest of the arguments, and turns what it returns into an exit code.
 * A new command is one new file and one line in the table.
 */
import { readFileSync } from 'node:fs';
import { advise } from './advise.ts';
import { type Command, EXIT_DONE, EXIT_FAILED, EXIT_MISUSED, UsageError } from './command.ts';
import { compact } from './compact.ts';
import { convert } from './convert.ts';
import { inspect } from './inspect.ts';
import { printable } from './line.ts';
import { load } from './load.ts';
import { profile } from './profile.ts';
import { replay } from './replay.ts';
import { verify } from './verify.ts';

const COMMANDS: Readonly<Record<string, Command>> = {
  replay,
  advise,
  load,
  profile,
  inspect,
  verify,
  compact,
  convert,
};
const { DEBUG } = process.env;
const MANIFEST = new URL('../../../package.json', import.meta.url);

for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read us has seen enough (`| head`): that is no failure, and nobody is left to tell.
    process.exit(error.code === 'EPIPE' ? EXIT_DONE : EXIT_FAILED);
  });
}
process.exitCode = await main(process.argv.slice(2));

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(overview());
    return name === undefined ? EXIT_MISUSED : EXIT_DONE;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${version()}\n`);
    return EXIT_DONE;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const kind = name.startsWith('-') ? 'option' : 'command';
    const known = Object.keys(COMMANDS).join(', ');
    process.stderr.write(
      `shardstash: unknown ${kind} '${printable(name)}'. Commands: ${known}; see shardstash --help\n`,
    );
    return EXIT_MISUSED;
  }
  return await run(name, command, args);
}

async function run(name: string, command: Command, args: string[]): Promise<number> {
  const options = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  if (options.includes('--help') || options.includes('-h')) {
    process.stdout.write(command.help);
    return EXIT_DONE;
  }
  try {
    return await command.run(args);
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`shardstash ${name}: ${printable(error.message)}. See shardstash ${name} --help\n`);
      return EXIT_MISUSED;
    }
    const told = error instanceof Error ? ((DEBUG ? error.stack : undefined) ?? error.message) : String(error);
    // Paths and what was found in files are part of it.
    process.stderr.write(`shardstash ${name}: ${told.split('\n').map(printable).join('\n')}\n`);
    return EXIT_FAILED;
  }
}

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `shardstash ${version()}: a sharded cache in shared memory

Usage: shardstash <command> [options]

${lines.join('\n')}

  --help       this text; shardstash <command> --help tells of a command
  --version    the version
`;
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(MANIFEST, 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '?';
}
