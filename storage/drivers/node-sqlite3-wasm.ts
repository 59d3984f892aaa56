/**
 * node-sqlite3-wasm: SQLite compiled to WebAssembly, on real files. For machines without a native driver.
 *
 * Its JavaScript is evaluated here rather than imported, with `node:fs` and WebAssembly of our choice, because it gives no
 * other way to the two things that correctness needs: its memory (heap.ts), and its files (wasm-files.ts).
 * Each opening evaluates it anew (7 ms), and its memory goes when the connection does.
 */
/// <reference path="./modules.d.ts" />
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { compileFunction } from 'node:vm';
import type { SqliteDriver } from '../driver.ts';
import { createDriver, type SqlitePackage } from './connection.ts';
import { codeName, sqliteFailure } from './failure.ts';
import { type EmscriptenModule, functionOf } from './wasm-calls.ts';
import { connectWasm, functionsOf, heapOf, memoryOf, type WasmSqlite } from './wasm-connection.ts';
import { type FileSystem, filesForSqlite, realFiles } from './wasm-files.ts';

const OPEN_READWRITE_CREATE = 6;

/** @throws whatever Node throws where the package is absent. `files`: tests put a disk that forgets in place of the real one. */
export async function loadNodeSqlite3Wasm(files: FileSystem = realFiles): Promise<SqlitePackage> {
  const path = createRequire(import.meta.url).resolve('node-sqlite3-wasm');
  return { name: 'node-sqlite3-wasm', native: false, open: (file) => open(evaluate(path, files), file) };
}

function open({ module, memory }: Evaluated, file: string): SqliteDriver {
  const heap = heapOf(module, memory);
  const openDatabase = functionOf<OpenDatabase>(module, 'sqlite3_open_v2');
  const [name, out] = heap.placeWithPointers(file);
  const result = openDatabase(name, out, OPEN_READWRITE_CREATE, 0);
  if (result !== 0) throw sqliteFailure({ code: codeName(result), message: `unable to open ${file}` }, '');
  const db = heap.view().getUint32(out, true);
  const wasm: WasmSqlite = {
    heap,
    sqlite: functionsOf(module),
    bindInteger: functionOf(module, 'sqlite3_bind_int64'),
    readInteger: functionOf(module, 'sqlite3_column_int64'),
  };
  const kind = file === ':memory:' ? 'memory' : 'file';
  const connection = connectWasm(wasm, { name: 'node-sqlite3-wasm', kind, db });
  // Before the first read: a file that a native driver left in WAL mode cannot be read otherwise, without shared memory.
  connection.exec('PRAGMA locking_mode = EXCLUSIVE');
  return createDriver(connection);
}

type OpenDatabase = (path: number, db: number, flags: number, vfs: number) => number;

interface Evaluated {
  readonly module: EmscriptenModule;
  readonly memory: WebAssembly.Memory;
}

function evaluate(path: string, files: FileSystem): Evaluated {
  const require = createRequire(path);
  const given = { 'node:fs': { ...filesForSqlite(files), readFileSync } } as Readonly<Record<string, unknown>>;
  const requireGiven = (name: string): unknown => given[name] ?? require(name);
  const instances: WebAssembly.Instance[] = [];
  class Instance extends WebAssembly.Instance {
    constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
      super(module, imports);
      instances.push(this);
    }
  }
  const module = { exports: {} as EmscriptenModule };
  const run = compileFunction(
    readFileSync(path, 'utf8'),
    ['exports', 'require', 'module', '__filename', '__dirname', 'WebAssembly'],
    { filename: path },
  );
  const webAssembly = Object.create(WebAssembly, { Instance: { value: Instance } }) as typeof WebAssembly;
  run(module.exports, requireGiven, module, path, dirname(path), webAssembly);
  return { module: module.exports, memory: memoryOf(instances[0]!) };
}
