/** A worker of a browser serves its tabs: what that needs is in `tendril` alone, which nothing of Node's is needed to load. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { parseSync } from 'oxc-parser';
import { expect, expectTypeOf, test } from 'vitest';
import {
  type Access,
  type Authority,
  type Context,
  collection,
  type LoggedOperation,
  type MessagePortLike,
  messagePort,
  messagePortConnector,
  Node,
  type PortSource,
  type ServedLink,
  type ServeLinkOptions,
  serveLink,
  text,
} from '../index.ts';

const ROOT = join(import.meta.dirname, '..');
const Note = collection('note', { title: text() });

test('a node behind a port is served by what is exported beside it', async () => {
  const { port1, port2 } = new MessageChannel();
  const worker = await Node.open({ collections: [Note] });
  const link: ServedLink = serveLink(worker, messagePortConnector(port1 as unknown as MessagePortLike), {
    access: 'open',
  });
  const tab = await Node.open({ collections: [Note], upstream: messagePort(port2 as unknown as MessagePortLike) });
  try {
    await tab.transact((tx) => tx.create(Note, { title: 'from a tab' }), { until: 'settled' });
    expect(await worker.query(Note)).toMatchObject([{ title: 'from a tab' }]);
  } finally {
    await tab.close();
    await link.close();
    await worker.close();
  }
});

test('the types that public signatures name are public', () => {
  expectTypeOf<Parameters<typeof serveLink>>().toEqualTypeOf<
    [Authority, ReturnType<typeof messagePortConnector>, ServeLinkOptions]
  >();
  expectTypeOf<Parameters<typeof messagePortConnector>>().toEqualTypeOf<[PortSource]>();
  expectTypeOf<NonNullable<ReturnType<NonNullable<Access<readonly []>['authenticate']>>>>().toExtend<
    Context | Promise<Context | null>
  >();
  expectTypeOf<Awaited<ReturnType<Node['operations']>>>().toEqualTypeOf<readonly LoggedOperation[]>();
});

test('nothing that loading `tendril` loads is of Node', () => {
  const seen = new Set<string>();
  const ofNode: string[] = [];
  const visit = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const from of loadedBy(path)) {
      if (from.startsWith('.')) visit(join(dirname(path), from));
      else if (from.startsWith('node:')) ofNode.push(`${relative(ROOT, path)} loads ${from}`);
    }
  };
  visit(join(ROOT, 'index.ts'));
  expect(ofNode).toEqual([]);
  expect(seen.size).toBeGreaterThan(100);
});

/** Without types, and what is loaded only when it is asked for. */
function loadedBy(path: string): readonly string[] {
  const source = readFileSync(path, 'utf8');
  const { module } = parseSync(path, source);
  const imported = module.staticImports.filter(({ start, end }) => !/^import type\b/.test(source.slice(start, end)));
  const exported = module.staticExports.flatMap(({ entries }) =>
    entries.flatMap(({ moduleRequest, isType }) => (moduleRequest === null || isType ? [] : [moduleRequest.value])),
  );
  return [...imported.map(({ moduleRequest }) => moduleRequest.value), ...exported];
}
