/** `shardstash profile`: which engine and which encoding is how fast here, as a table, CSV, JSON or Markdown. */
import { writeFile } from 'node:fs/promises';
import { type Profile, profile as runProfile } from '../stores/index.ts';
import { type Command, EXIT_DONE, EXIT_INTERRUPTED, UsageError } from './command.ts';
import { PROFILE_HELP, type ProfileFormat, parseProfileOptions } from './profile-options.ts';
import { Progress } from './progress.ts';

/** Options of a profile that have the same name here. */
const SPOKEN = ['engine', 'compression', 'base64', 'serializer', 'size', 'iterations', 'root'];

export const profile: Command = {
  summary: 'measure the engines and encodings of stores on this machine',
  help: PROFILE_HELP,
  async run(args) {
    const { options, format, output } = parseProfileOptions(args);
    const progress = new Progress(process.stderr);
    const interruption = new AbortController();
    const interrupt = () => interruption.abort();
    // Once: whoever asks twice means it.
    process.once('SIGINT', interrupt);
    let state: string | undefined;
    progress.start(() => state);
    const onProgress = (done: number, total: number) => {
      state = `${done} of ${total} combinations measured`;
    };
    try {
      const measured = await runProfile({ ...options, onProgress, signal: interruption.signal });
      progress.end();
      await write(rendered(measured, format), output);
      return EXIT_DONE;
    } catch (error) {
      if (interruption.signal.aborted) {
        return EXIT_INTERRUPTED;
      }
      throw asUsageError(error);
    } finally {
      process.off('SIGINT', interrupt);
      progress.end();
    }
  },
};

function rendered(measured: Profile, format: ProfileFormat): string {
  switch (format) {
    case 'csv':
      return measured.toCSV();
    case 'json':
      return `${JSON.stringify(measured)}\n`;
    case 'markdown':
      return measured.toMarkdown();
    default:
      return measured.toText();
  }
}

function write(text: string, output: string | undefined): Promise<void> {
  if (output !== undefined) {
    return writeFile(output, text);
  }
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}

/** What the profile says of an option that it was given here, in the words of the command line. */
function asUsageError(error: unknown): unknown {
  const { code, option } = error instanceof Error ? (error as Error & { code?: unknown; option?: unknown }) : {};
  const isMisuse = code === 'INVALID_CONFIG' || code === 'UNKNOWN_PLUGIN';
  return isMisuse && SPOKEN.includes(String(option))
    ? new UsageError((error as Error).message.replace(/`(\w+)`/g, '--$1'))
    : error;
}
