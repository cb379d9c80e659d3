/**
 * A stand-in for `node:sqlite`, which Node 20 has not got, as its documentation describes it: rows are objects without a
 * prototype, blobs are Uint8Arrays, parameters come one by one, errors have `errcode` and `errstr`. Below is libsql.
 */
import Libsql from 'libsql';
import type { NodeSqlite, Parameter } from '../../src/protocol/engines/sqlite/driver.ts';

class DatabaseSync {
  readonly #database: Libsql.Database;
  #isOpen = true;

  constructor(path: string) {
    this.#database = asDocumented(() => new Libsql(path));
  }

  exec(sql: string): void {
    this.#check();
    asDocumented(() => this.#database.exec(sql));
  }

  prepare(sql: string) {
    this.#check();
    const statement = asDocumented(() => this.#database.prepare(sql));
    const run = <T>(step: () => T): T => {
      this.#check();
      return asDocumented(step);
    };
    return {
      run: (...parameters: Parameter[]) => {
        const { changes } = run(() => statement.run(...listed(parameters)));
        return { changes, lastInsertRowid: 0 };
      },
      get: (...parameters: Parameter[]) => {
        const row = run(() => statement.get(...listed(parameters)));
        return row === undefined ? undefined : rowOf(row);
      },
      all: (...parameters: Parameter[]) => run(() => statement.all(...listed(parameters))).map(rowOf),
    };
  }

  close(): void {
    this.#check();
    this.#isOpen = false;
    this.#database.close();
  }

  #check(): void {
    if (!this.#isOpen) {
      throw Object.assign(new Error('database is not open'), { code: 'ERR_INVALID_STATE' });
    }
  }
}

export const nodeSqlite: NodeSqlite = { DatabaseSync };

/** libsql takes a list of parameters as one. */
function listed(parameters: Parameter[]): unknown[] {
  return [parameters];
}

function rowOf(row: unknown): object {
  const columns = Object.entries(row as object).filter(([name]) => name !== '_metadata');
  // libsql gives a Buffer for a blob of one row, and an ArrayBuffer for those of several.
  const isBlob = (value: unknown) => Buffer.isBuffer(value) || value instanceof ArrayBuffer;
  const values = columns.map(([name, value]) => [name, isBlob(value) ? new Uint8Array(value) : value]);
  return Object.assign(Object.create(null), Object.fromEntries(values));
}

function asDocumented<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    const { message, rawCode } = error as { message: string; rawCode?: number };
    throw Object.assign(new Error(message), { code: 'ERR_SQLITE_ERROR', errcode: rawCode ?? 14, errstr: message });
  }
}
