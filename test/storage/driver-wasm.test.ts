/** What only concerns the drivers that are WebAssembly. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';
import { Heap } from '../../storage/drivers/heap.ts';
import { makeFolder } from '../support/every-driver.ts';

const ROOT = join(import.meta.dirname, '../..');

test('both in one process survive the optimising compiler', () => {
  expect(run([], ['node-sqlite3-wasm', 'sql.js', 'node-sqlite3-wasm'])).toBe('survived');
});

test.runIf(process.versions.node.startsWith('20.'))(
  'on Node 20 it inlines no call into WebAssembly (wasm-calls.ts)',
  () => {
    const folder = makeFolder();
    const trace = ['--trace-turbo', `--trace-turbo-path=${folder.path}`, '--trace-turbo-filter=#*'];
    expect(run(trace, ['sql.js'])).toMatch(/survived$/);
    const graphs = readdirSync(folder.path).filter((name) => name.startsWith('turbo-#'));
    const inlining = graphs.filter((name) => readFileSync(join(folder.path, name), 'utf8').includes('JSWasmCall'));
    folder.remove();
    expect(graphs.length).toBeGreaterThan(3);
    expect(inlining).toEqual([]);
  },
);

test('the one in memory imports nothing of Node, nor of another package, before it is opened', () => {
  const seen = new Set<string>();
  const packages: string[] = [];
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = readFileSync(path, 'utf8');
    for (const [, clause, from] of text.matchAll(/^(?:import|export)\s([^;]*?)from '([^']+)'/gm)) {
      if (/^type\s/.test(clause!)) continue;
      if (from!.startsWith('.')) visit(normalize(join(dirname(path), from!)));
      else packages.push(`${path} imports ${from}`);
    }
  };
  visit(join(ROOT, 'storage/drivers/sql-js.ts'));
  expect(seen.size).toBeGreaterThan(8);
  expect(packages).toEqual([]);
});

test('their memory is given back: many openings with large values leave the process as it was', async () => {
  const { memory } = await import('../../storage/drivers/sql-js.ts');
  const large = new Uint8Array(500_000);
  const use = async () => {
    const driver = await memory().open();
    driver.exec('CREATE TABLE t (b)');
    driver.run('INSERT INTO t VALUES (?)', [large]);
    for (let n = 0; n < 5; n += 1) driver.get(`SELECT ${n}, length(b) FROM t WHERE b IS NOT ?`, ['x']);
    driver.close();
  };
  for (let time = 0; time < 20; time += 1) await use();
  const before = process.memoryUsage().arrayBuffers;
  for (let time = 0; time < 200; time += 1) await use();
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
});

test('room for parameters grows with them, is kept while small, and is given back', () => {
  const memory = new WebAssembly.Memory({ initial: 64 });
  const live = new Map<number, number>();
  let next = 8;
  const allocate = (bytes: number) => {
    const at = next;
    live.set(at, bytes);
    next += bytes + 8;
    return at;
  };
  const heap = new Heap(memory, allocate, (pointer) => live.delete(pointer));
  heap.reserve(0);
  expect(heap.place(new Uint8Array(0)), 'an empty blob is not at 0, which is NULL').not.toBe(0);
  heap.reserve(1 << 20);
  expect([...live.values()]).toEqual([1 << 20]);
  heap.reserve(10);
  expect([...live.values()], 'a megabyte is kept').toEqual([1 << 20]);
  heap.reserve((1 << 20) + 1);
  heap.reserve(10);
  expect([...live.values()], 'more is not').toEqual([1 << 10]);
  heap.release();
  expect(live.size).toBe(0);
});

test('their versions are exact, because this code knows them from inside', () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  for (const name of ['sql.js', 'node-sqlite3-wasm']) expect(dependencies[name]).toMatch(/^\d+\.\d+\.\d+$/);
});

function run(flags: readonly string[], drivers: readonly string[]): string {
  const script = join(ROOT, 'test/support/run-wasm.ts');
  const command = [...flags, '--no-warnings', '--import', 'tsx', script, ...drivers];
  return execFileSync(process.execPath, command, { encoding: 'utf8', maxBuffer: 1 << 26 });
}
