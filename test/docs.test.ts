/** What the documentation says is tried: its example runs, its links lead somewhere, its error codes are all of them. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const PAGES = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)];

test('the first lines of the README run as written and print what they promise', () => {
  const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(read('README.md')) ?? [];
  const cache = join(ROOT, '.cache');
  const folder = mkdtempSync(join(tmpdir(), 'tendril-readme-'));
  const program = join(cache, `readme-${process.pid}.ts`);
  const close = 'await node.close();';
  mkdirSync(cache, { recursive: true });
  writeFileSync(
    program,
    `${example.replace("'tendril'", "'../index.ts'").replace("'tendril/node'", "'../bindings/node/index.ts'")}${close}\n`,
  );
  try {
    const loader = import.meta.resolve('tsx');
    const printed = execFileSync(process.execPath, ['--import', loader, program], { cwd: folder, encoding: 'utf8' });
    expect(printed).toContain('0 departures\n1 departures\n1 departures\n');
    expect(printed).toContain("{ origin: 'SFO', late: 12 }");
    expect(printed).toContain('precursors');
  } finally {
    rmSync(program);
    rmSync(folder, { recursive: true });
  }
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

test('the files that docs/promises.md and docs/architecture.md name are there', () => {
  for (const page of ['docs/promises.md', 'docs/architecture.md']) {
    const named = [...read(page).matchAll(/`((?:query|storage|engine|bindings|test|bench|examples)\/[\w./-]+\.ts)`/g)];
    const missing = named.map(([, path = '']) => path).filter((path) => !existsSync(join(ROOT, path)));
    expect(missing, page).toEqual([]);
  }
});
