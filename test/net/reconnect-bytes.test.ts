/** What coming back costs on the wire, both directions together: counted, whatever the machine. */
import { afterEach, describe, expect, test } from 'vitest';
import type { Upstream } from '../../engine/index.ts';
import { collection, inProcess, integer, type LiveQuery, Node, type RowOf, TendrilError, text } from '../../index.ts';
import type { ServingReport } from '../../net/serving.ts';
import { MAX_TRANSACTION_OPERATIONS } from '../../storage/index.ts';

const MAX_IDLE_BYTES_PER_SUBSCRIPTION = 512;
const MAX_BYTES_OF_TEN_CHANGES = 10 * 1_024;

const Note = collection('note', { title: text(), body: text().optional(), stars: integer().default(0) });
const BODY = 'As much as a note may say of itself, more or less, where somebody has taken the time for it.';

const opened: Node[] = [];
afterEach(async () => {
  for (const node of opened.splice(0).reverse()) await node.close();
});

interface World {
  readonly server: Node;
  readonly ids: readonly string[];
  readonly lives: readonly LiveQuery<RowOf<typeof Note>>[];
  readonly leave: () => Promise<void>;
  /** Returns the bytes that go over the new session's link until all is as it should be, in both directions. */
  readonly comeBack: () => Promise<number>;
}

async function createWorld(rows: number, texts: readonly string[]): Promise<World> {
  const server = await Node.open({ collections: [Note] });
  opened.push(server);
  const ids = await createNotes(server, rows);
  const served = inProcess(server, { access: 'open' });
  let isAway = false;
  const upstream: Upstream = {
    name: served.name,
    connect: (greeting, receiver, ports) => {
      if (!isAway) return served.connect(greeting, receiver, ports);
      setImmediate(() => receiver.ended(unreachable(), false));
      return { send: () => undefined, close: () => undefined };
    },
  };
  const client = await Node.open({ collections: [Note], upstream });
  opened.push(client);
  const lives = texts.map((text) => client.live(Note, text));
  await Promise.all(lives.map(({ ready }) => ready));
  const leave = async () => {
    isAway = true;
    await expect(client.reconnect()).rejects.toMatchObject({ code: 'offline' });
    await stillness(served.report);
  };
  const comeBack = async () => {
    const before = bytes(served.report());
    isAway = false;
    await client.reconnect();
    while (lives.some(({ status }) => status !== 'complete')) await new Promise(setImmediate);
    await stillness(served.report);
    expect(client.report().upstream).toMatchObject({ began: 'resumed', state: 'connected' });
    return bytes(served.report()) - before;
  };
  return { server, ids, lives, leave, comeBack };
}

async function createNotes(server: Node, rows: number): Promise<readonly string[]> {
  const ids: string[] = [];
  while (ids.length < rows) {
    await server.transact((tx) => {
      const until = Math.min(rows, ids.length + MAX_TRANSACTION_OPERATIONS);
      while (ids.length < until) {
        ids.push(tx.create(Note, { title: `note ${ids.length}`, body: BODY, stars: ids.length }));
      }
    });
  }
  return ids;
}

function bytes({ traffic }: ServingReport): number {
  return traffic.bytesSent + traffic.bytesTaken;
}

/** Nothing is on its way. */
async function stillness(report: () => ServingReport): Promise<void> {
  for (let still = 0, before = -1; still < 20; await new Promise(setImmediate)) {
    const now = bytes(report());
    still = now === before ? still + 1 : 0;
    before = now;
  }
}

function unreachable(): TendrilError {
  return new TendrilError({ code: 'offline', problem: 'Nobody answers.', remedy: 'Reconnect.' });
}

const MANY = Array.from({ length: 50 }, (_, at) => `stars % 50 = ${at}`);

describe.each([100, 10_000])(
  'a client that was away from %i rows, of which nothing changed, costs little for each:',
  (rows) => {
    test.each([
      ['one selection', ['']],
      ['a window', ['ORDER BY stars DESC LIMIT 20']],
      ['many of both', ['stars >= 50', 'ORDER BY title LIMIT 100', ...MANY]],
    ])('%s', async (_, texts) => {
      const { lives, leave, comeBack } = await createWorld(rows, texts);
      const rowsThen = lives.map(({ rows }) => rows);
      for (let time = 0; time < 2; time += 1) {
        await leave();
        expect(await comeBack()).toBeLessThanOrEqual(texts.length * MAX_IDLE_BYTES_PER_SUBSCRIPTION);
        expect(lives.every(({ rows }, at) => rows === rowsThen[at])).toBe(true);
      }
    });
  },
);

test('ten changes among 100,000 rows, that a selection and a window have to be told of, cost as much as ten rows', async () => {
  const texts = ['', 'ORDER BY stars DESC LIMIT 20'];
  const { server, ids, lives, leave, comeBack } = await createWorld(100_000, texts);
  let changes = 0;
  lives[0]!.onChange(({ removed, added, updated }) => {
    changes += removed.length + added.length + updated.length;
  });
  await leave();
  for (let at = 0; at < 6; at += 1) {
    await server.transact((tx) => tx.update(Note, ids[at * 16_000]!, { title: 'changed', body: `${BODY} ${BODY}` }));
  }
  await server.transact((tx) => tx.delete(Note, ids[99_999]!));
  await server.transact((tx) => tx.delete(Note, ids[50_001]!));
  await server.transact((tx) => tx.create(Note, { title: 'new', body: BODY, stars: 200_000 }));
  await server.transact((tx) => tx.update(Note, ids[50_002]!, { stars: 100_001 }));
  expect(await comeBack()).toBeLessThanOrEqual(MAX_BYTES_OF_TEN_CHANGES);
  expect(changes).toBe(10);
  expect(lives[0]!.rows).toHaveLength(99_999);
  expect(lives[1]!.rows).toEqual(await server.query(Note, texts[1]!));
  for (const id of [ids[0]!, ids[99_999]!, ids[50_001]!, ids[50_002]!]) {
    expect(lives[0]!.rows.find((row) => row.id === id) ?? null).toEqual(await server.get(Note, id));
  }
});
