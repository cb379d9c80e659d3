/**
 * The two ways to SQLite, behind one narrow contract: `node:sqlite` where this Node has it without a flag (22.13 and later),
 * otherwise the optional peer `libsql`, whose binaries come prebuilt, without an install script. Both run on the thread that
 * calls them. Values are blobs and integers, and texts that have no U+0000: libsql cuts them there.
 *
 * Their errors become one SqliteFault, with the primary result code of SQLite (the low byte of the extended one). libsql
 * closes its connection only when the statements that were prepared on it are garbage, so a close is not the moment at which
 * the files are free; what must be in the main file is put there by a checkpoint before. And libsql ends the whole process when
 * a worker thread is terminated from outside in the midst of a call (0.5.29): close the store there first.
 */
import { describeThrown } from '../../describe.ts';
import { loadPeer } from '../peer.ts';

export interface SqliteDriver {
  /** Statements without parameters, separated by semicolons. */
  exec(sql: string): void;
  /** A statement that changes something; answers how many rows it did change. */
  command(sql: string): (...parameters: Parameter[]) => number;
  /** A statement that reads one column; answers at most all of it. */
  query(sql: string): (...parameters: Parameter[]) => unknown[];
  /** The one column of the first row; undefined for no row. */
  single(sql: string): (...parameters: Parameter[]) => unknown;
  close(): void;
}

export type Parameter = Uint8Array | number;
export type OpenSqlite = (path: string) => SqliteDriver;

/** Primary result codes of SQLite that have a meaning of their own here. */
export const SQLITE = { BUSY: 5, LOCKED: 6, READONLY: 8, IOERR: 10, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 };

/** What SQLite refuses, whichever driver says so. */
export class SqliteFault extends Error {
  readonly resultCode: number;

  constructor(resultCode: number, cause: unknown) {
    // The errors of libsql are none by the engine's own test, and would be described by their kind.
    super(String((cause as { message?: unknown } | null)?.message ?? describeThrown(cause)), { cause });
    this.resultCode = resultCode;
  }

  static {
    SqliteFault.prototype.name = 'SqliteFault';
  }
}

/** As `node:sqlite` is documented. Its types are not among those of Node 20. */
export interface NodeSqlite {
  readonly DatabaseSync: new (
    path: string,
  ) => {
    exec(sql: string): void;
    prepare(sql: string): {
      run(...parameters: Parameter[]): { changes: number | bigint };
      get(...parameters: Parameter[]): object | undefined;
      all(...parameters: Parameter[]): object[];
    };
    close(): void;
  };
}

/** As much of libsql as is used. `raw` makes rows lists; all parameters of a call come as one list. */
export interface Libsql {
  readonly default: new (
    path: string,
  ) => {
    exec(sql: string): void;
    prepare(sql: string): LibsqlStatement;
    close(): void;
  };
}

interface LibsqlStatement {
  raw(): LibsqlStatement;
  run(parameters: Parameter[]): { changes: number };
  get(parameters: Parameter[]): unknown;
  all(parameters: Parameter[]): unknown[];
}

/** The driver of this Node, or that of `libsql`. */
export async function loadSqlite(
  builtin: NodeSqlite | null = builtinSqlite(),
  load: () => Promise<unknown> = () => import('libsql'),
): Promise<OpenSqlite> {
  if (builtin !== null) {
    return (path) => openNodeSqlite(builtin, path);
  }
  const libsql = (await loadPeer('The engine `sqlite` on this Node', 'libsql', load)) as Libsql;
  return (path) => openLibsql(libsql, path);
}

/** Null where this Node has none, or only behind a flag. */
export function builtinSqlite(): NodeSqlite | null {
  const { getBuiltinModule } = process as { getBuiltinModule?: (name: string) => unknown };
  return (getBuiltinModule?.('node:sqlite') as NodeSqlite | undefined) ?? null;
}

function openNodeSqlite({ DatabaseSync }: NodeSqlite, path: string): SqliteDriver {
  const database = faulty(() => new DatabaseSync(path));
  const prepare = (sql: string) => faulty(() => database.prepare(sql));
  // Rows are objects with the names of their columns: to have lists instead takes a later Node than 22.13.
  const columnOf = (row: object | undefined): unknown => row && Object.values(row)[0];
  return {
    exec: (sql) => faulty(() => database.exec(sql)),
    command: (sql) => {
      const statement = prepare(sql);
      return (...parameters) => faulty(() => Number(statement.run(...parameters).changes));
    },
    query: (sql) => {
      const statement = prepare(sql);
      return (...parameters) => faulty(() => statement.all(...parameters)).map(columnOf);
    },
    single: (sql) => {
      const statement = prepare(sql);
      return (...parameters) => columnOf(faulty(() => statement.get(...parameters)));
    },
    close: () => faulty(() => database.close()),
  };
}

function openLibsql({ default: Database }: Libsql, path: string): SqliteDriver {
  const database = faulty(() => new Database(path));
  const prepare = (sql: string) => faulty(() => database.prepare(sql));
  return {
    exec: (sql) => faulty(() => database.exec(sql)),
    command: (sql) => {
      const statement = prepare(sql);
      return (...parameters) => faulty(() => statement.run(parameters).changes);
    },
    query: (sql) => {
      const statement = prepare(sql).raw();
      return (...parameters) => faulty(() => statement.all(parameters) as unknown[][]).map((row) => row[0]);
    },
    single: (sql) => {
      const statement = prepare(sql).raw();
      return (...parameters) => (faulty(() => statement.get(parameters)) as unknown[] | undefined)?.[0];
    },
    close: () => faulty(() => database.close()),
  };
}

function faulty<T>(step: () => T): T {
  try {
    return step();
  } catch (cause) {
    throw new SqliteFault(resultCodeOf(cause), cause);
  }
}

/** node:sqlite has it in `errcode`, libsql in `rawCode`, or, when it could not open the file, at the end of its message. */
function resultCodeOf(cause: unknown): number {
  const { errcode, rawCode, message } = (cause ?? {}) as { errcode?: unknown; rawCode?: unknown; message?: unknown };
  const code = Number(
    errcode ?? rawCode ?? /local database .*: (\d+)/s.exec(String(cause) + String(message))?.[1] ?? 1,
  );
  return code & 0xff;
}
