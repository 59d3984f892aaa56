/** What the documentation says is tried: its programs run, its links lead somewhere, its error codes are all of them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const PAGES = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)];

/** The programs of the README, in their order: one node; a server; a client. */
const PROGRAMS = [...read('README.md').matchAll(/```ts\n([\s\S]*?)```/g)].map(([, program = '']) => program);
const ENTRIES = {
  tendril: 'index.ts',
  'tendril/node': 'bindings/node/index.ts',
  'tendril/server': 'bindings/server/index.ts',
};
/** After which a program is ended, so that none outlives its test. */
const MAX_RUN_MS = 60_000;
const CACHE = join(ROOT, '.cache');

let folder: string;
let running: { readonly stop: () => Promise<void> }[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tendril-readme-'));
});

afterEach(async () => {
  for (const { stop } of running) await stop();
  running = [];
  rmSync(folder, { recursive: true });
});

/** Runs a program as it would run over the package, in a folder of its own. `printed`: by now, errors included. */
function start(program: string) {
  const path = join(CACHE, `readme-${process.pid}-${running.length}.ts`);
  mkdirSync(CACHE, { recursive: true });
  let text = program;
  for (const [name, file] of Object.entries(ENTRIES)) text = text.replace(`from '${name}'`, `from '../${file}'`);
  writeFileSync(path, text);
  const args = ['--import', import.meta.resolve('tsx'), path];
  const child = spawn(process.execPath, args, { cwd: folder, timeout: MAX_RUN_MS });
  const exited = once(child, 'exit');
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      printed += bytes;
    });
  running.push({
    stop: async () => {
      child.kill();
      await exited;
      rmSync(path);
    },
  });
  return { printed: () => printed, exited };
}

test('the first lines of the README run as written and print what they promise', async () => {
  const { printed, exited } = start(PROGRAMS[0]!);
  await exited;
  expect(printed()).toContain('0 departures\n1 departures\n1 departures\n');
  expect(printed()).toContain("{ origin: 'SFO', late: 12 }");
  expect(printed()).toContain('precursors');
});

test('the server and the client of the README run as written, but for the port, and clients see each other', async () => {
  const [, serverProgram = '', clientProgram = ''] = PROGRAMS;
  const patience = { timeout: MAX_RUN_MS / 3 };
  const server = start(serverProgram.replace('8080', '0'));
  await expect.poll(server.printed, patience).toMatch(/^ws:\/\/localhost:\d+\n$/);
  const followed = clientProgram.replace('ws://localhost:8080', server.printed().trim());

  const first = start(followed);
  const firstPrints = "complete 0 undefined\ncomplete 1 null\ncomplete 1 12\n[ { origin: 'SFO', flights: 1 } ]\n";
  await expect.poll(first.printed, patience).toBe(firstPrints);
  const second = start(followed);
  const secondPrints = "complete 1 12\ncomplete 2 null\ncomplete 2 12\n[ { origin: 'SFO', flights: 2 } ]\n";
  await expect.poll(second.printed, patience).toBe(secondPrints);
  await expect.poll(first.printed, patience).toBe(`${firstPrints}complete 2 null\ncomplete 2 12\n`);
});

/** Each with what the page says that it prints. */
const EXAMPLES = ['docs/node.md', 'docs/replication.md'].flatMap((page) =>
  [...read(page).matchAll(/```ts\n(import [\s\S]*?)```\n\nIt prints (.*)\./g)].map(([, program = '', said = '']) => ({
    page,
    program,
    lines: [...said.matchAll(/`([^`]+)`/g)].map(([, line]) => `${line}\n`),
  })),
);

test.each(EXAMPLES)('program %# ($page) runs as written and prints what the page says', async ({ program, lines }) => {
  const { printed, exited } = start(program);
  await exited;
  expect(lines.length).toBeGreaterThan(2);
  expect(printed()).toBe(lines.join(''));
});

test.each(PAGES)('the links of %s lead to files that are there', (page) => {
  const targets = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, target = '']) => target);
  const missing = targets.filter((target) => !existsSync(join(ROOT, page, '..', target)));
  expect(missing).toEqual([]);
});

test('docs/errors.md lists every error code, and no other', () => {
  const [, union = ''] = /export type ErrorCode =([\s\S]*?);/.exec(read('errors.ts')) ?? [];
  const codes = [...union.matchAll(/'([a-z-]+)'/g)].map(([, code]) => code).sort();
  const listed = [...read('docs/errors.md').matchAll(/^\| `([a-z-]+)` /gm)].map(([, code]) => code).sort();
  expect(listed).toEqual(codes);
});

test('the files that the pages name are there', () => {
  for (const page of PAGES) {
    const named = [
      ...read(page).matchAll(/`((?:query|storage|engine|net|bindings|test|bench|examples)\/[\w./-]+\.ts)`/g),
    ];
    const missing = named.map(([, path = '']) => path).filter((path) => !existsSync(join(ROOT, path)));
    expect(missing, page).toEqual([]);
  }
});
