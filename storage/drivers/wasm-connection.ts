/**
 * A connection to a SQLite compiled to WebAssembly, over its C functions: shared by node-sqlite3-wasm and sql.js.
 *
 * Invariants
 *   - parameters of `run`, `all` and `get` lie in one reserved place that SQLite does not copy, because the statement is
 *     reset before the next one binds; those of an iteration are copied by SQLite, because others run meanwhile;
 *   - every statement is finalised before the connection closes.
 */
import { assert } from '../../errors.ts';
import type { Cell, SqlValue } from '../../query/index.ts';
import type { DriverName, StorageKind } from '../driver.ts';
import type { Connection, Statement } from './connection.ts';
import { codeName, notOneStatement, type SqliteReason } from './failure.ts';
import { Heap } from './heap.ts';
import { isBlank, type StatementText } from './statement-text.ts';
import { type EmscriptenModule, functionOf } from './wasm-calls.ts';

/** The C functions, by their names without `sqlite3_`. Pointers and 32-bit integers are numbers. */
export interface SqliteFunctions {
  readonly prepare_v2: (db: number, sql: number, bytes: number, statement: number, tail: number) => number;
  readonly step: (statement: number) => number;
  readonly reset: (statement: number) => number;
  readonly finalize: (statement: number) => number;
  readonly bind_text: (statement: number, index: number, text: number, bytes: number, destructor: number) => number;
  readonly bind_blob: (statement: number, index: number, blob: number, bytes: number, destructor: number) => number;
  readonly bind_double: (statement: number, index: number, value: number) => number;
  readonly column_count: (statement: number) => number;
  readonly column_name: (statement: number, column: number) => number;
  readonly column_type: (statement: number, column: number) => number;
  readonly column_double: (statement: number, column: number) => number;
  readonly column_text: (statement: number, column: number) => number;
  readonly column_blob: (statement: number, column: number) => number;
  readonly column_bytes: (statement: number, column: number) => number;
  readonly changes: (db: number) => number;
  readonly errmsg: (db: number) => number;
  readonly exec: (db: number, sql: number, callback: number, argument: number, message: number) => number;
  readonly close_v2: (db: number) => number;
}

export interface WasmSqlite {
  readonly heap: Heap;
  readonly sqlite: SqliteFunctions;
  /** Binds all 64 bits. */
  readonly bindInteger: (statement: number, index: number, value: bigint) => number;
  /** Reads all 64 bits. */
  readonly readInteger: (statement: number, column: number) => bigint;
}

export interface OpenedDatabase {
  readonly name: DriverName;
  readonly kind: StorageKind;
  readonly db: number;
}

const FUNCTIONS: readonly (keyof SqliteFunctions)[] = [
  'prepare_v2',
  'step',
  'reset',
  'finalize',
  'bind_text',
  'bind_blob',
  'bind_double',
  'column_count',
  'column_name',
  'column_type',
  'column_double',
  'column_text',
  'column_blob',
  'column_bytes',
  'changes',
  'errmsg',
  'exec',
  'close_v2',
];

const OK = 0;
const ROW = 100;
const DONE = 101;
const INTEGER = 1;
const FLOAT = 2;
const TEXT = 3;
const BLOB = 4;
/** What SQLite is to do with bound bytes: use them where they are, or copy them. */
const STATIC = 0;
const TRANSIENT = -1;

export function functionsOf(module: EmscriptenModule): SqliteFunctions {
  const functions = FUNCTIONS.map((name) => [name, functionOf(module, `sqlite3_${name}`)]);
  return Object.fromEntries(functions) as unknown as SqliteFunctions;
}

/** The memory of an instance, with the functions that allocate in it. */
export function heapOf(module: EmscriptenModule, memory: WebAssembly.Memory): Heap {
  return new Heap(memory, functionOf(module, 'malloc'), functionOf(module, 'free'));
}

/** The memory of an instance, whatever its name there. */
export function memoryOf(instance: WebAssembly.Instance): WebAssembly.Memory {
  const memory = Object.values(instance.exports).find((item) => item instanceof WebAssembly.Memory);
  assert(memory !== undefined, 'a SQLite compiled to WebAssembly exports no memory');
  return memory;
}

/** A result code other than success, thrown inside this file only. */
class ResultCode {
  readonly reason: SqliteReason;

  constructor(result: number, message: string) {
    this.reason = { code: codeName(result), message };
  }
}

export function connectWasm(wasm: WasmSqlite, { name, kind, db }: OpenedDatabase): Connection {
  const { heap, sqlite } = wasm;
  const open = new Set<number>();
  const check = (result: number): void => {
    if (result !== OK) throw new ResultCode(result, heap.cText(sqlite.errmsg(db)));
  };
  return {
    name,
    kind,
    prepare: (text) => {
      const pointer = prepare(wasm, db, text.sql, check);
      open.add(pointer);
      return new WasmStatement({ wasm, db, pointer, text, check, forget: () => open.delete(pointer) });
    },
    exec: (script) => {
      heap.reserve(script.length * 3 + 1);
      const at = heap.place(`${script}\0`);
      check(sqlite.exec(db, at, 0, 0, 0));
    },
    close: () => {
      for (const statement of open) sqlite.finalize(statement);
      open.clear();
      heap.release();
      check(sqlite.close_v2(db));
    },
    reasonOf: (error) =>
      error instanceof ResultCode ? error.reason : { code: 'SQLITE_INTERNAL', message: String(error) },
  };
}

function prepare({ heap, sqlite }: WasmSqlite, db: number, sql: string, check: (result: number) => void): number {
  const [text, out] = heap.placeWithPointers(sql);
  const end = heap.end - 1;
  check(sqlite.prepare_v2(db, text, end - text, out, out + 4));
  const statement = heap.view().getUint32(out, true);
  const tail = heap.view().getUint32(out + 4, true);
  if (isBlank(heap.text(tail, end - tail))) return statement;
  sqlite.finalize(statement);
  throw notOneStatement(sql, 'The text holds more than one statement.');
}

interface StatementParts {
  readonly wasm: WasmSqlite;
  readonly db: number;
  readonly pointer: number;
  readonly text: StatementText;
  readonly check: (result: number) => void;
  readonly forget: () => void;
}

class WasmStatement implements Statement {
  readonly #wasm: WasmSqlite;
  readonly #sqlite: SqliteFunctions;
  readonly #parts: StatementParts;
  readonly #pointer: number;

  constructor(parts: StatementParts) {
    this.#parts = parts;
    this.#wasm = parts.wasm;
    this.#sqlite = parts.wasm.sqlite;
    this.#pointer = parts.pointer;
  }

  readonly run = (parameters: readonly SqlValue[]): number => {
    this.#bind(parameters, STATIC);
    try {
      while (this.#step());
      return this.#sqlite.changes(this.#parts.db);
    } finally {
      this.#sqlite.reset(this.#pointer);
    }
  };

  readonly all = (parameters: readonly SqlValue[]): Cell[][] => {
    this.#bind(parameters, STATIC);
    const rows: Cell[][] = [];
    try {
      if (!this.#step()) return rows;
      // Asked after the first step, which prepares the statement anew if the schema has changed.
      const width = this.#sqlite.column_count(this.#pointer);
      do rows.push(this.#row(width));
      while (this.#step());
      return rows;
    } finally {
      this.#sqlite.reset(this.#pointer);
    }
  };

  readonly get = (parameters: readonly SqlValue[]): Cell[] | undefined => {
    this.#bind(parameters, STATIC);
    try {
      return this.#step() ? this.#row(this.#sqlite.column_count(this.#pointer)) : undefined;
    } finally {
      this.#sqlite.reset(this.#pointer);
    }
  };

  readonly iterate = (parameters: readonly SqlValue[]): IterableIterator<Cell[]> => this.#iterate(parameters);

  *#iterate(parameters: readonly SqlValue[]): IterableIterator<Cell[]> {
    this.#bind(parameters, TRANSIENT);
    try {
      while (this.#step()) yield this.#row(this.#sqlite.column_count(this.#pointer));
    } finally {
      this.#sqlite.reset(this.#pointer);
    }
  }

  readonly columns = (): readonly string[] => {
    const { heap } = this.#wasm;
    return Array.from({ length: this.#sqlite.column_count(this.#pointer) }, (_, column) =>
      heap.cText(this.#sqlite.column_name(this.#pointer, column)),
    );
  };

  readonly finalise = (): void => {
    this.#parts.forget();
    this.#sqlite.finalize(this.#pointer);
  };

  #step(): boolean {
    const result = this.#sqlite.step(this.#pointer);
    if (result === ROW) return true;
    if (result !== DONE) this.#parts.check(result);
    return false;
  }

  #bind(parameters: readonly SqlValue[], destructor: number): void {
    let room = 0;
    for (let index = 0; index < parameters.length; index += 1) {
      const value = parameters[index];
      if (typeof value === 'string') room += value.length * 3;
      else if (typeof value === 'object' && value !== null) room += value.length;
    }
    this.#wasm.heap.reserve(room);
    for (let index = 0; index < parameters.length; index += 1) {
      const result = this.#bindOne(index + 1, parameters[index]!, destructor);
      if (result !== OK) this.#parts.check(result);
    }
  }

  #bindOne(index: number, value: SqlValue, destructor: number): number {
    const { heap, bindInteger } = this.#wasm;
    const sqlite = this.#sqlite;
    const statement = this.#pointer;
    if (typeof value === 'number') return sqlite.bind_double(statement, index, value);
    if (typeof value === 'bigint') return bindInteger(statement, index, value);
    // A blob at address 0 is NULL to SQLite.
    if (value === null) return sqlite.bind_blob(statement, index, 0, 0, STATIC);
    const at = heap.place(value);
    const bind = typeof value === 'string' ? sqlite.bind_text : sqlite.bind_blob;
    return bind(statement, index, at, heap.end - at, destructor);
  }

  #row(width: number): Cell[] {
    const row: Cell[] = new Array(width);
    for (let column = 0; column < width; column += 1) row[column] = this.#cell(column);
    return row;
  }

  #cell(column: number): Cell {
    const { heap, readInteger } = this.#wasm;
    const sqlite = this.#sqlite;
    const statement = this.#pointer;
    switch (sqlite.column_type(statement, column)) {
      case INTEGER: {
        const rounded = sqlite.column_double(statement, column);
        return Number.isSafeInteger(rounded) ? rounded : readInteger(statement, column);
      }
      case FLOAT:
        return sqlite.column_double(statement, column);
      case TEXT: {
        const at = sqlite.column_text(statement, column);
        return heap.text(at, sqlite.column_bytes(statement, column));
      }
      case BLOB: {
        const at = sqlite.column_blob(statement, column);
        return heap.blob(at, sqlite.column_bytes(statement, column));
      }
    }
    return null;
  }
}
