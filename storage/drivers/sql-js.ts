/**
 * sql.js: SQLite compiled to WebAssembly, in memory. Runs in Node and in browsers; imports nothing of Node.
 *
 * Its C functions are called directly (wasm-connection.ts). Two that exactness needs are not among them, and are replaced
 *   - `bind_int64`: a 32-bit integer is bound, and the 64 bits are then written over it where SQLite keeps the value of the
 *     parameter. Where that is, is found out by looking for two values bound on purpose, and proved by reading back
 *     (exactness.ts), so that another build of sql.js is refused rather than misread;
 *   - `column_int64`: an INTEGER beyond 2^53 is read as its decimal digits.
 */
/// <reference path="./modules.d.ts" />
import { TendrilError } from '../../errors.ts';
import type { Storage } from '../driver.ts';
import { createDriver } from './connection.ts';
import { assertExact } from './exactness.ts';
import type { Heap } from './heap.ts';
import { findParameters, type ParameterAddress } from './sql-js-parameters.ts';
import { requireVersion } from './version.ts';
import { functionOf } from './wasm-calls.ts';
import {
  connectWasm,
  functionsOf,
  heapOf,
  memoryOf,
  type SqliteFunctions,
  type WasmSqlite,
} from './wasm-connection.ts';

export interface MemoryOptions {
  /** Where `sql-wasm-browser.wasm` of sql.js is. Needed in browsers only, where a bundler has moved it. */
  readonly wasm?: string | URL;
}

/**
 * Keeps a node's data in memory; nothing of it remains when the node is closed.
 *
 * @throws {TendrilError} from `open`: `storage-unsupported` where sql.js cannot be loaded, or is another build than expected.
 */
export function memory(options: MemoryOptions = {}): Storage {
  return {
    open: async () => {
      const wasm = await loadSqlJs(options);
      const driver = createDriver(connectWasm(wasm, { name: 'sql.js', kind: 'memory', db: wasm.openMemory() }));
      driver.run('PRAGMA trusted_schema = OFF');
      requireVersion(driver);
      assertExact(driver);
      return driver;
    },
  };
}

const FILE = 'sql.js/dist/sql-wasm-browser.wasm';

/**
 * Two statements of different sizes. With a cursor and a table-valued function, because SQLite points an empty list of either
 * at the same place as the parameters.
 */
const PROBES = [
  "SELECT ?, ? FROM sqlite_schema, json_each('[]')",
  "SELECT name, ?, ? FROM sqlite_schema, json_each('[]') ORDER BY name",
];

/** What sql.js is given and fills; the same object for every opening, because sql.js initialises once. */
interface SqlJs {
  readonly instantiateWasm: (imports: WebAssembly.Imports, receive: (instance: WebAssembly.Instance) => void) => object;
  /** Set by sql.js: refuses its promise. */
  onAbort?: (reason: unknown) => void;
  tendrilMemory?: WebAssembly.Memory;
  readonly [name: string]: unknown;
}

interface MemorySqlite extends WasmSqlite {
  readonly openMemory: () => number;
}

async function loadSqlJs({ wasm }: MemoryOptions): Promise<MemorySqlite> {
  const given: SqlJs = {
    instantiateWasm: (imports, receive) => {
      readWasm(wasm)
        .then((bytes) => WebAssembly.instantiate(bytes, imports))
        .then(({ instance }) => {
          given.tendrilMemory = memoryOf(instance);
          receive(instance);
        })
        .catch((error: unknown) => given.onAbort?.(error));
      return {};
    },
  };
  try {
    const { default: initialise } = await import('sql.js/dist/sql-wasm-browser.js');
    const sqlJs = await initialise(given);
    if (sqlJs.tendrilMemory === undefined) throw initialisedByAnother();
    return sqliteOf(sqlJs, sqlJs.tendrilMemory);
  } catch (error) {
    throw error instanceof TendrilError ? error : notLoaded(error);
  }
}

async function readWasm(given: string | URL | undefined): Promise<Uint8Array> {
  // Asked for by name at run time, so that bundlers for browsers have nothing to resolve.
  const node = globalThis.process?.getBuiltinModule;
  if (node === undefined) {
    const response = await fetch(given ?? import.meta.resolve(FILE));
    return new Uint8Array(await response.arrayBuffer());
  }
  return node('node:fs').readFileSync(
    given ??
      node('node:module')
        .createRequire(import.meta.url)
        .resolve(FILE),
  );
}

function sqliteOf(sqlJs: SqlJs, memory: WebAssembly.Memory): MemorySqlite {
  const sqlite = functionsOf(sqlJs);
  const heap = heapOf(sqlJs, memory);
  const open = functionOf<(path: number, db: number) => number>(sqlJs, 'sqlite3_open');
  const bindInt = functionOf<(statement: number, index: number, value: number) => number>(sqlJs, 'sqlite3_bind_int');
  const openMemory = () => {
    const [path, out] = heap.placeWithPointers(':memory:');
    open(path, out);
    return heap.view().getUint32(out, true);
  };
  const parameterAddress = calibrate(heap, sqlite, openMemory());
  return {
    heap,
    sqlite,
    openMemory,
    bindInteger: (statement, index, value) => {
      const small = BigInt.asIntN(32, value);
      if (small === value) return bindInt(statement, index, Number(value));
      // SQLite plans anew when a value its plan depends on is bound, unless it is bound to what it is already: never so here.
      sqlite.bind_blob(statement, index, 0, 0, 0);
      const result = bindInt(statement, index, 0);
      if (result === 0) heap.view().setBigInt64(parameterAddress(statement, index), value, true);
      return result;
    },
    readInteger: (statement, column) => {
      const digits = sqlite.column_text(statement, column);
      return BigInt(heap.text(digits, sqlite.column_bytes(statement, column)));
    },
  };
}

function calibrate(heap: Heap, sqlite: SqliteFunctions, db: number): ParameterAddress {
  const statements = PROBES.map((probe) => {
    const [sql, out] = heap.placeWithPointers(probe);
    sqlite.prepare_v2(db, sql, -1, out, out + 4);
    return heap.view().getUint32(out, true);
  });
  try {
    return findParameters(heap, sqlite, statements);
  } finally {
    for (const statement of statements) sqlite.finalize(statement);
    sqlite.close_v2(db);
  }
}

function initialisedByAnother(): TendrilError {
  return new TendrilError({
    code: 'storage-unsupported',
    problem: 'This program initialised sql.js before Tendril did, in a way that hides its memory.',
    remedy: 'Open the first node in memory before the program uses sql.js itself.',
  });
}

function notLoaded(cause: unknown): TendrilError {
  return new TendrilError({
    code: 'storage-unsupported',
    problem: `sql.js could not be loaded: ${cause instanceof Error ? cause.message : String(cause)}.`,
    remedy: 'Install sql.js; in a browser, pass where its .wasm file is: `memory({ wasm })`.',
    cause,
  });
}
