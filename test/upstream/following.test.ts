/** Following: what an ephemeral node is told, keeps, and lets go of. */
import { beforeEach, describe, expect, test } from 'vitest';
import { LINGER_MS } from '../../engine/upstream/limits.ts';
import { idFrom, type LiveQuery } from '../../index.ts';
import { encodeItems, type OperationId } from '../../storage/index.ts';
import { createWorld, type Follower, Note, pass, refusing, Tag, type World } from './world.ts';

const IDS = Array.from({ length: 12 }, (_, at) => idFrom('note', at)).sort();
const A = IDS[0]!;
const LINGER_MINUTES = LINGER_MS / 60_000;

let world: World;
let ana: Follower;

beforeEach(async () => {
  world = await createWorld();
  await world.authority.transact((tx) => {
    for (const [stars, id] of IDS.entries()) tx.create(Note, { title: `${stars}`, stars }, { id });
  });
  ana = await world.follow();
});

/** Titles of the rows in Ana's tables. */
async function held(follower = ana): Promise<readonly (string | null)[]> {
  return (await follower.node.query(Note, 'ORDER BY stars', [], { from: 'local' })).map(({ title }) => title);
}

async function follow(text: string): Promise<LiveQuery<{ readonly title: string | null; readonly id: string }>> {
  const live = ana.node.live(Note, text);
  await live.ready;
  return live;
}

const change = (id: string, values: { title?: string; stars?: number }) =>
  world.authority.transact((tx) => tx.update(Note, id, values)).then(world.quiet);
const kindsSince = (from: number) =>
  ana.upstream
    .saidOf('step')
    .slice(from)
    .map(({ parts }) => parts.map(({ kind }) => kind));

describe('a row', () => {
  test('enters whole, stays by items, and leaves', async () => {
    const live = await follow('stars > 9');
    await change(A, { stars: 20 });
    await change(A, { stars: 21 });
    await change(A, { stars: 1 });
    await change(A, { stars: 2 });
    expect(kindsSince(0)).toEqual([['whole'], ['items'], ['leave']]);
    expect(live.rows.map(({ title }) => title).sort()).toEqual(['10', '11']);
    expect(await held()).toEqual(['10', '11']);
  });

  test('is not changed by an item at or below the position it stands at', async () => {
    const live = await follow('');
    await change(A, { title: 'new' });
    await change(A, { title: 'newest' });
    const before = await ana.node.query(Note, '', [], { from: 'local' });
    const { position } = ana.upstream.saidOf('step').at(-1)!;
    // By its id it would win.
    const id = idFrom('operation', 'planted') as string as OperationId;
    const greatest = `7${id.slice(1)}` as OperationId;
    const items = encodeItems([{ id: greatest, edits: [{ kind: 'set', property: 'title', value: 'planted' }] }]);
    const part = { kind: 'items', collection: 'note', entity: A, items, head: [greatest] } as const;
    for (const at of [position, position - 1] as (typeof position)[]) {
      ana.upstream.plant({ kind: 'step', position: at, parts: [part], edges: [], settled: null });
    }
    await world.quiet();
    expect(live.rows.find((row) => row.id === A)!.title).toBe('newest');
    expect(await ana.node.query(Note, '', [], { from: 'local' })).toEqual(before);
    expect([ana.errors, ana.node.report().upstream!.state]).toEqual([[], 'connected']);
    await change(A, { title: 'after' });
    expect(live.rows.find((row) => row.id === A)!.title).toBe('after');
  });

  test('of which items come that is not held ends the session, and nothing of the frame is taken', async () => {
    const live = await follow('stars > 9');
    await change(IDS[10]!, { title: 'ten' });
    const step = ana.upstream.saidOf('step').at(-1)!;
    const parts = step.parts.map((part) => ({ ...part, entity: A }));
    ana.upstream.plant({ ...step, parts } as typeof step);
    await world.quiet();
    expect(ana.errors).toMatchObject([{ code: 'protocol-violation' }]);
    expect(live).toMatchObject({ status: 'offline', error: { code: 'protocol-violation' } });
    expect(await held()).toEqual(['ten', '11']);
    await ana.node.reconnect();
    await world.quiet();
    expect(live.status).toBe('complete');
  });

  test('of a frame that cannot be taken to its end is not taken, nor is what came with it', async () => {
    const live = await follow('stars > 9');
    ana.upstream.holdSaid = true;
    const other = ana.node.live(Note, 'stars < 2');
    await world.quiet();
    const chunk = ana.upstream.takeWaiting('chunk')[0]!;
    const entity = idFrom('note', 'nowhere');
    const position = (chunk.position + 1) as typeof chunk.position;
    const leave = { kind: 'leave', collection: 'note', entity: IDS[10]! } as const;
    const items = { kind: 'items', collection: 'note', entity, items: Uint8Array.of(0), head: [] } as const;
    const step = { kind: 'step', position, edges: [], settled: null } as const;
    ana.upstream.plantFrame(chunk, { ...step, parts: [leave] }, { ...step, parts: [items] });
    await world.quiet();
    expect(live).toMatchObject({ status: 'offline', error: { code: 'protocol-violation' } });
    expect([live.rows.length, other.rows]).toEqual([2, []]);
    expect(await held()).toEqual(['10', '11']);
    await expect(ana.node.query(Note, 'stars < 2')).rejects.toMatchObject({ code: 'not-covered' });
  });

  test('with operations pending keeps its base when it leaves, until they are settled; then it is as the authority has it', async () => {
    const live = await follow('stars > 9');
    ana.upstream.holdRequests = true;
    await ana.node.transact((tx) => tx.update(Note, IDS[10]!, { title: 'mine' }));
    await change(IDS[10]!, { stars: 1 });
    expect(live.rows.map(({ title }) => title).sort()).toEqual(['11', 'mine']);
    ana.upstream.holdRequests = false;
    await world.quiet();
    expect(live.rows.map(({ title }) => title)).toEqual(['11']);
    expect(await ana.node.get(Note, IDS[10]!)).toMatchObject({ title: 'mine', stars: 1 });
  });
});

describe('a selection that nobody uses any more', () => {
  test('is followed on for LINGER_MS, then evicted when the authority has said so', async () => {
    const live = await follow('stars > 9');
    live.close();
    await pass(ana, LINGER_MINUTES - 1);
    await change(IDS[10]!, { title: 'ten' });
    expect(await held()).toEqual(['ten', '11']);
    expect(ana.upstream.askedOf('unsubscribe')).toEqual([]);
    ana.upstream.holdSaid = true;
    await pass(ana, 1);
    expect(ana.upstream.askedOf('unsubscribe')).toHaveLength(1);
    expect(await held()).toEqual(['ten', '11']);
    ana.upstream.holdSaid = false;
    await world.quiet();
    expect(await held()).toEqual([]);
    await change(IDS[10]!, { title: 'nine' });
    expect(kindsSince(1)).toEqual([]);
    expect(ana.node.report().upstream!.following.selections).toBe(0);
  });

  test('costs no request when it is asked for again meanwhile, and stays', async () => {
    (await follow('stars > 9')).close();
    await pass(ana, LINGER_MINUTES - 1);
    const requests = ana.upstream.requests.length;
    const live = ana.node.live(Note, 'stars > 9');
    expect([live.status, live.rows.length]).toEqual(['complete', 2]);
    await pass(ana, 2 * LINGER_MINUTES);
    expect(ana.upstream.requests.length).toBe(requests);
    expect(await held()).toEqual(['10', '11']);
  });

  test('and is asked for again while it is being given up, is followed anew', async () => {
    (await follow('stars > 9')).close();
    ana.upstream.holdRequests = true;
    await pass(ana, LINGER_MINUTES);
    const live = ana.node.live(Note, 'stars > 9');
    ana.upstream.holdRequests = false;
    await live.ready;
    await world.quiet();
    await change(IDS[10]!, { title: 'ten' });
    expect(live.rows.map(({ title }) => title).sort()).toEqual(['11', 'ten']);
    expect(await held()).toEqual(['ten', '11']);
  });

  test('takes rows that match a window of none, too', async () => {
    const live = await follow('stars > 9');
    await follow('stars > 5 LIMIT 0');
    live.close();
    await pass(ana, LINGER_MINUTES);
    expect(await held()).toEqual([]);
  });

  test('takes only the rows that nothing else covers: another selection, a window, an id', async () => {
    const wide = await follow('stars > 5');
    await follow('stars > 9');
    await follow('ORDER BY stars DESC LIMIT 1');
    await ana.node.get(Note, IDS[6]!);
    wide.close();
    await ana.node.get(Note, A);
    await pass(ana, LINGER_MINUTES);
    // A window is followed with its slack: 1 and 8 more.
    expect(await held()).toEqual(['0', '3', '4', '5', '6', '7', '8', '9', '10', '11']);
    await change(IDS[9]!, { title: 'nine' });
    expect(await held()).toContain('nine');
  });

  test('overlaps another, of which nothing is lost, whichever ends first', async () => {
    for (const first of ['stars > 4', 'stars < 8']) {
      const second = first === 'stars > 4' ? 'stars < 8' : 'stars > 4';
      const [one, two] = [await follow(first), await follow(second)];
      one.close();
      await pass(ana, LINGER_MINUTES);
      const expected = (await world.authority.query(Note, `${second} ORDER BY stars`)).map(({ title }) => title);
      expect(await held()).toEqual(expected);
      await change(IDS[6]!, { title: `six ${first}` });
      expect(two.rows.map(({ title }) => title)).toContain(`six ${first}`);
      two.close();
      await pass(ana, LINGER_MINUTES);
      expect(await held()).toEqual([]);
    }
  });

  test('leaves a row with operations pending to them, and it goes with their refusal', async () => {
    const live = await follow('stars > 9');
    ana.upstream.holdRequests = true;
    // As it is shown it does not match any more.
    await ana.node.transact((tx) => tx.update(Note, IDS[10]!, { stars: 0 }));
    await ana.node.transact((tx) => tx.update(Note, IDS[11]!, { title: 'no' }));
    live.close();
    ana.upstream.judge = refusing(() => true);
    await pass(ana, LINGER_MINUTES);
    ana.upstream.holdUploads = true;
    ana.upstream.holdRequests = false;
    await world.quiet();
    expect(await held()).toEqual(['10', 'no']);
    ana.upstream.holdUploads = false;
    await world.quiet();
    expect(await held()).toEqual([]);
    expect(ana.node.report().upstream!.following).toEqual({ selections: 0, ids: 0 });
  });
});

describe('an id', () => {
  test('is fetched by get once, kept current, and released when it was not used for LINGER_MS', async () => {
    expect(await ana.node.get(Note, A)).toMatchObject({ title: '0' });
    expect(await ana.node.get(Note, idFrom('note', 'nowhere'))).toBeNull();
    expect(ana.upstream.askedOf('hold')).toHaveLength(2);
    await change(A, { title: 'new' });
    expect(await ana.node.get(Note, A)).toMatchObject({ title: 'new' });
    expect(await ana.node.get(Note, idFrom('note', 'nowhere'))).toBeNull();
    expect(ana.upstream.askedOf('hold')).toHaveLength(2);
    await pass(ana, LINGER_MINUTES);
    expect(await held()).toEqual(['new']);
    // A look at it is a use.
    expect(await ana.node.get(Note, A)).toMatchObject({ title: 'new' });
    await pass(ana, LINGER_MINUTES);
    expect(await held()).toEqual(['new']);
    expect(ana.node.report().upstream!.following.ids).toBe(1);
    await pass(ana, 1);
    expect(await held()).toEqual([]);
    expect(ana.upstream.askedOf('release').map(({ ids }) => ids)).toEqual([[idFrom('note', 'nowhere')], [A]]);
    const steps = ana.upstream.saidOf('step').length;
    await change(A, { title: 'newer' });
    expect(ana.upstream.saidOf('step').length).toBe(steps);
  });

  test('that is created or deleted at the authority while it is held comes and goes', async () => {
    const id = idFrom('note', 'later');
    expect(await ana.node.get(Note, id)).toBeNull();
    await world.authority.transact((tx) => void tx.create(Note, { title: 'later' }, { id }));
    await world.quiet();
    expect(await ana.node.get(Note, id)).toMatchObject({ title: 'later' });
    await world.authority.transact((tx) => tx.delete(Note, id));
    await world.quiet();
    expect(await ana.node.get(Note, id)).toBeNull();
    expect(ana.upstream.askedOf('hold')).toHaveLength(1);
  });

  test('that was written is followed from then on', async () => {
    await ana.node.transact((tx) => tx.create(Tag, { name: 'x' }));
    const id = await ana.node.transact((tx) => tx.create(Note, { title: 'mine' }), { until: 'settled' });
    await change(id, { title: 'ours' });
    expect(await ana.node.get(Note, id)).toMatchObject({ title: 'ours' });
    expect(ana.upstream.askedOf('hold')).toEqual([]);
    await pass(ana, LINGER_MINUTES + 1);
    expect(await held()).toEqual([]);
  });

  test('that is written while it is being released is followed again, and what the authority did meanwhile is seen', async () => {
    await ana.node.get(Note, A);
    ana.upstream.holdRequests = true;
    await pass(ana, LINGER_MINUTES + 1);
    await ana.node.transact((tx) => tx.update(Note, A, { title: 'mine' }));
    ana.upstream.holdUploads = true;
    ana.upstream.holdRequests = false;
    await world.quiet();
    await change(A, { stars: 77 });
    expect(await ana.node.get(Note, A)).toMatchObject({ title: 'mine', stars: 0 });
    ana.upstream.holdUploads = false;
    await world.quiet();
    expect(await ana.node.get(Note, A)).toMatchObject({ title: 'mine', stars: 77 });
    await change(A, { stars: 78 });
    expect(await ana.node.get(Note, A)).toMatchObject({ title: 'mine', stars: 78 });
    await pass(ana, LINGER_MINUTES + 1);
    expect(await held()).toEqual([]);
  });

  test('is counted in time that passes, not in what the clock shows', async () => {
    const ben = await world.follow({ aheadMs: 24 * 3_600_000, unwelcome: true });
    await ben.node.transact((tx) => tx.create(Note, { title: 'early' }));
    ben.upstream.holdWelcome = false;
    await world.quiet();
    await pass(ben, LINGER_MINUTES + 1);
    expect(ben.node.report().upstream!.following.ids).toBe(0);
  });

  test('is not released, and no selection given up, before a new session is whole: later they are', async () => {
    (await follow('stars > 9')).close();
    await follow('stars < 1');
    await ana.node.get(Note, IDS[5]!);
    ana.upstream.cut();
    await world.quiet();
    ana.upstream.holdSaid = true;
    await ana.node.reconnect();
    ana.node.live(Note, 'stars = 7').close();
    await world.quiet();
    await pass(ana, LINGER_MINUTES + 1);
    const asked = () => [ana.upstream.askedOf('release').length, ana.upstream.askedOf('unsubscribe').length];
    expect(asked()).toEqual([0, 0]);
    ana.upstream.holdSaid = false;
    await world.quiet();
    // What lingered when the link was lost lingers on.
    expect(await held()).toEqual(['0', '5', '7', '10', '11']);
    await pass(ana, LINGER_MINUTES + 1);
    expect(asked()).toEqual([1, 2]);
    expect(await held()).toEqual(['0']);
  });

  test('is fetched while a first large selection is still on its way, and is answered with its row', async () => {
    ana.upstream.holdSaid = true;
    const live = ana.node.live(Note);
    const row = ana.node.get(Note, A);
    await world.quiet();
    const chunks = ana.upstream.takeWaiting('chunk');
    ana.upstream.holdSaid = false;
    await world.quiet();
    for (const chunk of chunks) ana.upstream.plant(chunk);
    expect(await row).toMatchObject({ title: '0' });
    await live.ready;
  });
});

describe('what a new node asks for before all of it has come', () => {
  test('is not answered from the half that is here', async () => {
    ana.upstream.holdSaid = true;
    const small = ana.node.live(Note, 'stars > 9');
    const large = ana.node.live(Note, 'stars < 5');
    await world.quiet();
    const chunks = ana.upstream.takeWaiting('chunk');
    expect(chunks).toHaveLength(2);
    ana.upstream.holdSaid = false;
    ana.upstream.plant(chunks[0]!);
    await world.quiet();
    expect([small.status, large.status, small.rows]).toEqual(['syncing', 'syncing', []]);
    expect(await ana.node.query(Note, 'stars > 9')).toHaveLength(2);
    const row = ana.node.get(Note, IDS[11]!);
    ana.upstream.plant(chunks[1]!);
    await world.quiet();
    expect([small.status, large.status]).toEqual(['complete', 'complete']);
    expect([small.rows.length, large.rows.length]).toEqual([2, 5]);
    expect(await row).toMatchObject({ title: '11' });
  });
});

test('a window shows nothing beyond its edge, however much is deleted here', async () => {
  await world.authority.transact((tx) => {
    for (let at = 0; at < 30; at += 1) tx.create(Tag, { name: `${at + 100}` });
  });
  const live = ana.node.live(Tag, 'ORDER BY name LIMIT 3');
  const late = ana.node.live(Tag, "name >= '125'");
  await Promise.all([live.ready, late.ready]);
  ana.upstream.holdRequests = true;
  for (let turn = 0; turn < 4; turn += 1) {
    await ana.node.transact((tx) => {
      for (const { id } of live.rows) tx.delete(Tag, id);
    });
  }
  expect(live.rows).toEqual([]);
  ana.upstream.holdRequests = false;
  await world.quiet();
  expect(live.rows.map(({ name }) => name)).toEqual(['111', '112', '113']);
});
