/** The shape of the tree is a promise too: rooms, doors, ports and sizes (docs/architecture.md). */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { parseSync } from 'oxc-parser';
import { describe, expect, test } from 'vitest';

const ROOT = normalize(join(import.meta.dirname, '..'));
/** Each room with the rooms it may import from, besides itself and errors.ts. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  query: [],
  storage: ['query'],
  engine: ['query', 'storage'],
  net: ['query', 'storage', 'engine'],
  bindings: ['query', 'storage', 'engine', 'net'],
};
/** Where another room may be entered. */
const ENTRANCES = [
  'query/index.ts',
  'storage/index.ts',
  'storage/drivers/index.ts',
  'engine/index.ts',
  'net/index.ts',
  'net/server.ts',
];
/** The only file that imports a package (type imports are free). */
const DOORS: Readonly<Record<string, string>> = {
  'node-sql-parser': 'query/statement/statement-head.ts',
  'better-sqlite3': 'storage/drivers/better-sqlite3.ts',
  'node:sqlite': 'storage/drivers/node-sqlite.ts',
  'node-sqlite3-wasm': 'storage/drivers/node-sqlite3-wasm.ts',
  'sql.js': 'storage/drivers/sql-js.ts',
  '@noble/hashes': 'storage/sha256.ts',
  ulid: 'engine/write/mint.ts',
  ws: 'net/links/ws.ts',
  'node:http': 'net/server.ts',
  msgpackr: 'net/codec.ts',
};
/** What reaches outside the process or time, and the only files that may. */
const PORTS: readonly { readonly what: RegExp; readonly only: string }[] = [
  { what: /\bDate\.now\b|new Date\(\)|\bperformance\./, only: 'engine/ports/clock.ts' },
  { what: /\bMath\.random\b|\bgetRandomValues\b|\brandomUUID\b/, only: 'engine/ports/random.ts' },
  {
    what: /\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bMessageChannel\b/,
    only: 'engine/ports/scheduler.ts',
  },
  { what: /node:crypto/, only: 'storage/sha256.ts' },
];
const MAX_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 70;

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
}

interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  readonly functions: readonly { readonly line: number; readonly lines: number }[];
  readonly exportsDefault: boolean;
  readonly exportsAll: boolean;
}

type SyntaxNode = {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
};

const product = sourceFiles(Object.keys(ROOMS)).map(readSource);
const all = [...product, ...sourceFiles(['bench', 'test', 'examples']).map(readSource)];

describe('rooms', () => {
  test.each(product.map((file) => [file.path, file] as const))('%s imports only to its left', (_, file) => {
    const room = file.path.split('/')[0] ?? '';
    const wrong = file.imports
      .filter(({ from }) => from.startsWith('.'))
      .map(({ from }) => normalize(join(dirname(file.path), from)))
      .filter((target) => {
        if (target === 'errors.ts' || (target === 'index.ts' && room === 'bindings')) return false;
        const targetRoom = target.split('/')[0] ?? '';
        if (targetRoom === room) return target === `${room}/index.ts`;
        return !(ROOMS[room]?.includes(targetRoom) && ENTRANCES.includes(target));
      });
    expect(wrong).toEqual([]);
  });

  test('the node-only entrance of storage is used by bindings alone', () => {
    const users = product.filter((file) => imported(file).includes('storage/drivers/index.ts'));
    expect(users.map((file) => file.path.split('/')[0])).toEqual(users.map(() => 'bindings'));
  });

  test('no files need each other in a circle, types aside', () => {
    expect(circle(product)).toBeNull();
  });
});

describe('doors', () => {
  test('every package is imported by one file', () => {
    const wrong = product.flatMap((file) =>
      file.imports
        .filter(({ from, typeOnly }) => !typeOnly && !from.startsWith('.'))
        .filter(({ from }) => doorOf(from) !== file.path && !nodeOnly(file.path, from))
        .map(({ from }) => `${file.path} imports ${from}`),
    );
    expect(wrong).toEqual([]);
  });

  test('every runtime dependency has a door that uses it', () => {
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const door = product.find((file) => file.path === DOORS[name]);
      expect(door?.text, `the door of ${name}`).toContain(name);
    }
  });
});

test.each(PORTS)('$only is the only file with $what', ({ what, only }) => {
  const users = product.filter((file) => what.test(withoutComments(file.text))).map((file) => file.path);
  expect(users.filter((path) => path !== only)).toEqual([]);
});

describe('sizes', () => {
  test(`no file is longer than ${MAX_FILE_LINES} lines`, () => {
    const long = all.map((file) => [file.path, file.text.split('\n').length - 1] as const);
    expect(long.filter(([, lines]) => lines > MAX_FILE_LINES)).toEqual([]);
  });

  test(`no function is longer than ${MAX_FUNCTION_LINES} lines`, () => {
    const long = product.flatMap((file) =>
      file.functions.filter(({ lines }) => lines > MAX_FUNCTION_LINES).map(({ line }) => `${file.path}:${line}`),
    );
    expect(long).toEqual([]);
  });
});

test('exports are named and listed by hand', () => {
  const wrong = product.filter((file) => file.exportsDefault || file.exportsAll).map((file) => file.path);
  expect(wrong).toEqual([]);
});

test('no module keeps state of its own', () => {
  const state =
    /^(?:export )?(?:(?:let|var) |const \w+(?:: (?!Readonly)[^=\n]+)? = new (?:Weak)?(?:Map|Set)\b[^(\n]*\(\);)/m;
  expect(product.filter((file) => state.test(file.text)).map((file) => file.path)).toEqual([]);
});

test('every module opens with what it is for', () => {
  const silent = product.filter((file) => !/^(#!.*\n)?\/\*\*/.test(file.text)).map((file) => file.path);
  expect(silent).toEqual([]);
});

function sourceFiles(folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'))
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join('/')),
  );
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const { program, module, errors } = parseSync(path, text);
  expect(errors, path).toEqual([]);
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length;
  const functions: { line: number; lines: number }[] = [];
  visit(program as unknown as SyntaxNode, (node) => {
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type)) return;
    functions.push({ line: lineOf(node.start), lines: lineOf(node.end) - lineOf(node.start) + 1 });
  });
  const statics = module.staticImports.map((each) => ({
    from: each.moduleRequest.value,
    typeOnly: /^import type\b/.test(text.slice(each.start, each.end)),
  }));
  const reexports = module.staticExports.flatMap((each) =>
    each.entries.flatMap((entry) =>
      entry.moduleRequest ? [{ from: entry.moduleRequest.value, typeOnly: entry.isType }] : [],
    ),
  );
  const dynamics = module.dynamicImports.map((each) => ({
    from: text.slice(each.moduleRequest.start + 1, each.moduleRequest.end - 1),
    typeOnly: false,
  }));
  return {
    path,
    text,
    imports: [...statics, ...reexports, ...dynamics],
    functions,
    exportsDefault: /^export default\b/m.test(text),
    exportsAll: /^export \*/m.test(text),
  };
}

function visit(node: SyntaxNode, seen: (node: SyntaxNode) => void): void {
  seen(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child !== null && typeof child === 'object' && 'type' in child) visit(child as SyntaxNode, seen);
    }
  }
}

function imported(file: SourceFile): string[] {
  return file.imports.map(({ from }) => normalize(join(dirname(file.path), from)));
}

/** The paths of a circle of imports, the first of them again at its end; null where there is none. */
function circle(files: readonly SourceFile[]): readonly string[] | null {
  const needs = new Map(
    files.map((file) => [file.path, imported({ ...file, imports: file.imports.filter(({ typeOnly }) => !typeOnly) })]),
  );
  const done = new Set<string>();
  const search = (path: string, way: readonly string[]): readonly string[] | null => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return null;
    for (const next of needs.get(path) ?? []) {
      const found = search(next, [...way, path]);
      if (found !== null) return found;
    }
    done.add(path);
    return null;
  };
  for (const { path } of files) {
    const found = search(path, []);
    if (found !== null) return found;
  }
  return null;
}

function doorOf(specifier: string): string | undefined {
  const name = specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : specifier.split('/')[0];
  return DOORS[specifier] ?? DOORS[name ?? ''];
}

/** Node's own modules may be used by what only Node loads. */
function nodeOnly(path: string, specifier: string): boolean {
  return /^node:(fs|path|net|os|module|url|vm)/.test(specifier) && /^(storage\/drivers|bindings)\//.test(path);
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}
