import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MAX_PARKED_BYTES, MAX_PARKED_MS, MAX_PARKED_TRANSACTIONS } from '../../engine/ingest/parking.ts';
import { collection, integer, json, memory, Node, text } from '../../index.ts';
import {
  type Edit,
  encodeOperation,
  MAX_LOGGED_TRANSACTION_OPERATIONS,
  MAX_NARROWING_OPERATIONS,
  MAX_TRANSACTION_BYTES,
  MAX_TRANSACTION_OPERATIONS,
  MAX_VALUE_BYTES,
  type Operation,
  type OperationId,
  type SqliteDriver,
} from '../../storage/index.ts';
import { type Author, bytesOf, createAuthor } from '../support/author.ts';
import { createTestClock, type TestClock } from '../support/ports.ts';

const Note = collection('note', { title: text().optional(), stars: integer().default(3), data: json().optional() });
const Other = collection('other', { title: text().optional() });

let node: Node;
let driver: SqliteDriver;
/** Transactions of the database begun. */
let begun: number;
let commitFails: boolean;
let clock: TestClock;
let ana: Author;
beforeEach(async () => {
  clock = createTestClock();
  ana = createAuthor('note');
  const real = await memory().open();
  begun = 0;
  commitFails = false;
  driver = {
    ...real,
    transaction: (body) => {
      begun += 1;
      return real.transaction(() => {
        const result = body();
        if (commitFails) throw new Error('on purpose');
        return result;
      });
    },
  };
  node = await Node.open({
    collections: [Note, Other],
    storage: { open: async () => driver },
    ports: { clock },
  });
});
afterEach(() => node.close());

/** Everything the file holds. */
function everything(): readonly unknown[] {
  const tables = driver.all("SELECT name FROM sqlite_schema WHERE type = 'table'").flat() as string[];
  return tables.map((table) => driver.all(`SELECT * FROM "${table}"`));
}
async function expectRefused(operations: readonly Operation[], code: string): Promise<void> {
  const before = everything();
  const parked = node.report().parked;
  const result = await node.ingest(bytesOf(...operations));
  expect(result).toMatchObject({ applied: 0, duplicates: 0, parked: 0, dropped: [], refused: [{ code }] });
  expect(everything()).toEqual(before);
  expect(node.report().parked).toEqual(parked);
}
const titled = (title: string) => ({ values: { title } });

describe('ingest refuses, and a refusal leaves no trace:', () => {
  test('an id that is here with another content', async () => {
    const held = ana.operation(titled('held'));
    await node.ingest(bytesOf(held));
    await expectRefused([{ ...held, author: 'somebody else' }], 'identity-clash');
    const innocent = ana.operation({ ...titled('innocent'), transaction: held.transaction });
    await expectRefused([innocent, { ...held, salt: new Uint8Array(8).fill(1) }], 'identity-clash');
  });

  test('two contents under one id in one delivery', async () => {
    const one = ana.operation(titled('one'));
    await expectRefused([one, { ...one, author: 'somebody else' }], 'identity-clash');
  });

  test('a second content for what is parked; the first stays parked and is applied in its time', async () => {
    const parent = ana.operation(titled('parent'));
    const child = ana.operation({ entity: parent.entity, precursors: [parent.id], ...titled('child') });
    await node.ingest(bytesOf(child));
    await expectRefused([{ ...child, author: 'somebody else' }], 'identity-clash');
    expect(await node.ingest(bytesOf(parent))).toMatchObject({ applied: 2 });
    expect(await node.get(Note, parent.entity)).toMatchObject({ title: 'child' });
  });

  test('a precursor that is of another entity, or of another collection', async () => {
    const [one, two] = [ana.operation(titled('one')), ana.operation(titled('two'))];
    await node.ingest(bytesOf(one, two));
    await expectRefused([ana.operation({ entity: one.entity, precursors: [two.id] })], 'invalid-operation');
    const elsewhere = ana.operation({ collection: 'other', entity: one.entity, precursors: [one.id] });
    await expectRefused([elsewhere], 'invalid-operation');
    const third = ana.operation(titled('third'));
    const within = ana.operation({ transaction: third.transaction, entity: one.entity, precursors: [third.id] });
    await expectRefused([third, within], 'invalid-operation');
  });

  test('a transaction that turns out so when what it waited for comes', async () => {
    const parent = ana.operation(titled('parent'));
    const child = ana.operation({ precursors: [parent.id], ...titled('child of a stranger') });
    await node.ingest(bytesOf(child));
    const result = await node.ingest(bytesOf(parent));
    expect(result).toMatchObject({ applied: 1, refused: [{ code: 'invalid-operation' }] });
    expect(node.report().parked.transactions).toBe(0);
  });

  test('a collection that this node does not have', async () => {
    await expectRefused([ana.operation({ collection: 'unheard_of' })], 'unknown-collection');
  });

  test('a value that is not of its property’s type', async () => {
    const wrong: Readonly<Record<string, Edit & { kind: 'set' }>> = {
      title: { kind: 'set', property: 'title', value: 5n },
      stars: { kind: 'set', property: 'stars', value: 2n ** 53n },
      data: { kind: 'set', property: 'data', value: '{malformed' },
    };
    for (const edit of Object.values(wrong)) {
      await expectRefused([ana.operation({ edits: [{ kind: 'create', property: '' }, edit] })], 'schema-mismatch');
    }
  });

  test('all of a transaction of which one operation is refused', async () => {
    const good = ana.operation(titled('good'));
    const bad = ana.operation({ transaction: good.transaction, collection: 'unheard_of' });
    await expectRefused([good, bad], 'unknown-collection');
    await expectRefused([bad, good], 'unknown-collection');
  });

  test('what is no operation, without harm to its neighbours', async () => {
    const good = ana.operation(titled('good'));
    const bytes = encodeOperation(ana.operation(titled('cut off')));
    const result = await node.ingest([bytes.subarray(1), new Uint8Array(), ...bytesOf(good)]);
    expect(result).toMatchObject({
      applied: 1,
      refused: [{ code: 'invalid-operation' }, { code: 'invalid-operation' }],
    });
  });

  test(`a transaction of more than ${MAX_TRANSACTION_OPERATIONS} operations`, async () => {
    const transaction = ana.transaction();
    const operations = Array.from({ length: MAX_TRANSACTION_OPERATIONS }, () => ana.operation({ transaction }));
    await expectRefused([...operations, ana.operation({ transaction })], 'limit-exceeded');
    expect(await node.ingest(bytesOf(...operations))).toMatchObject({ applied: MAX_TRANSACTION_OPERATIONS });
  });

  test(`more than ${MAX_NARROWING_OPERATIONS} operations without edits beside them`, async () => {
    const transaction = ana.transaction();
    const roots = Array.from({ length: MAX_TRANSACTION_OPERATIONS }, () => ana.operation({ transaction }));
    const over = ({ id, entity }: Operation) => ana.operation({ transaction, entity, precursors: [id], edits: [] });
    const narrowing = roots.slice(0, MAX_NARROWING_OPERATIONS).map(over);
    await expectRefused([...roots, ...narrowing, over(roots[0]!)], 'limit-exceeded');
    const result = await node.ingest(bytesOf(...roots, ...narrowing));
    expect(result).toMatchObject({ applied: MAX_LOGGED_TRANSACTION_OPERATIONS, refused: [] });
  });

  test(`a transaction of more than ${MAX_TRANSACTION_BYTES} bytes`, async () => {
    const transaction = ana.transaction();
    const large = (bytes: number) => ana.operation({ transaction, ...titled('x'.repeat(bytes)) });
    const most = Array.from({ length: 15 }, () => large(MAX_VALUE_BYTES));
    const size = (operations: readonly Operation[]) =>
      bytesOf(...operations).reduce((sum, { length }) => sum + length, 0);
    const rest = MAX_TRANSACTION_BYTES - size([...most, large(MAX_VALUE_BYTES - 10_000)]) + MAX_VALUE_BYTES - 10_000;
    expect(size([...most, large(rest)])).toBe(MAX_TRANSACTION_BYTES);
    await expectRefused([...most, large(rest + 1)], 'limit-exceeded');
    expect(await node.ingest(bytesOf(...most, large(rest)))).toMatchObject({ applied: 16, refused: [] });
  });
});

describe('ingest', () => {
  test('keeps edits of unknown kinds and of unknown properties, and forwards them as they came', async () => {
    const counter: Edit = { kind: 'unknown', property: 'stars', code: 9, payload: new Uint8Array([1, 2, 3]) };
    const operation = ana.operation({ edits: [{ kind: 'create', property: '' }, counter] });
    const later = ana.operation({ values: { later: 'a property of a newer schema' } });
    await node.ingest(bytesOf(operation, later));
    expect((await node.operations()).map(({ bytes }) => bytes)).toEqual(bytesOf(operation, later));
    expect(await node.get(Note, operation.entity)).toMatchObject({ stars: 3 });
    const [, edit] = (await node.history(Note, operation.entity))[0]!.edits!;
    expect(edit).toEqual({ kind: 'unknown', property: 'stars', code: 9 });
  });

  test('a transaction of the greatest size that waits may come again, whole or in part', async () => {
    const transaction = ana.transaction();
    const root = ana.operation({});
    const child = ana.operation({ transaction, entity: root.entity, precursors: [root.id], ...titled('child') });
    const others = Array.from({ length: MAX_TRANSACTION_OPERATIONS - 1 }, () => ana.operation({ transaction }));
    const whole = bytesOf(child, ...others);
    await node.ingest(whole);
    for (const again of [whole, whole.slice(7, 8)]) {
      expect(await node.ingest(again)).toMatchObject({ parked: again.length, refused: [], applied: 0 });
    }
    const beyond = await node.ingest(bytesOf(ana.operation({ transaction })));
    expect(beyond.refused).toMatchObject([{ code: 'limit-exceeded' }]);
    expect(await node.ingest(bytesOf(root))).toMatchObject({ applied: 1 + MAX_TRANSACTION_OPERATIONS, refused: [] });
  });

  test('applies a transaction whose parts come apart only when it stands whole, if one part must wait', async () => {
    const parent = ana.operation(titled('parent'));
    const child = ana.operation({ entity: parent.entity, precursors: [parent.id], ...titled('child') });
    const sibling = ana.operation({ transaction: child.transaction, ...titled('sibling') });
    await node.ingest(bytesOf(child));
    expect(await node.ingest(bytesOf(sibling))).toMatchObject({ applied: 0, parked: 1 });
    expect(await node.query(Note)).toEqual([]);
    expect(await node.ingest(bytesOf(parent))).toMatchObject({ applied: 3 });
    expect(node.report().position).toBe(2);
  });

  test('applies operations that come after their transaction was applied', async () => {
    const first = ana.operation(titled('first'));
    const second = ana.operation({ transaction: first.transaction, ...titled('second') });
    await node.ingest(bytesOf(first));
    expect(await node.ingest(bytesOf(first, second))).toMatchObject({ applied: 1, duplicates: 1 });
    expect(await node.query(Note)).toHaveLength(2);
  });

  test('applies several operations of one entity in one transaction in the order of their causes', async () => {
    const created = ana.operation(titled('created'));
    const { entity, transaction, id } = created;
    const edited = ana.operation({ transaction, entity, precursors: [id], ...titled('edited') });
    const removed = ana.operation({
      transaction,
      entity,
      precursors: [edited.id],
      edits: [{ kind: 'delete', property: '' }],
    });
    expect(await node.ingest(bytesOf(removed, edited, created))).toMatchObject({ applied: 3, refused: [] });
    const history = await node.history(Note, entity);
    expect(history.map((entry) => entry.id)).toEqual([id, edited.id, removed.id]);
    await node.transact((tx) => tx.restore(Note, entity));
    expect(await node.get(Note, entity)).toMatchObject({ title: 'edited' });
    expect((await node.history(Note, entity)).at(-1)?.precursors).toEqual([removed.id]);
  });

  test('applies a chain that arrives backwards, in the order of its causes', async () => {
    const chain = [ana.operation(titled('0'))];
    for (let step = 1; step < 50; step += 1) {
      const { entity, id } = chain.at(-1)!;
      chain.push(ana.operation({ entity, precursors: [id], ...titled(`${step}`) }));
    }
    for (const operation of chain.slice(1).reverse()) await node.ingest(bytesOf(operation));
    expect(node.report().parked.transactions).toBe(49);
    expect(await node.ingest(bytesOf(chain[0]!))).toMatchObject({ applied: 50, parked: 0 });
    const history = await node.history(Note, chain[0]!.entity);
    expect(history.map(({ id }) => id)).toEqual(chain.map(({ id }) => id));
  });

  test('divides a large call over groups of bounded size, by operations and by bytes', async () => {
    const transactionOf = (count: number, title: string) => {
      const transaction = ana.transaction();
      return Array.from({ length: count }, () => ana.operation({ transaction, ...titled(title) }));
    };
    begun = 0;
    const half = MAX_TRANSACTION_OPERATIONS / 2;
    const many = [1, 2, 3, 4, 5].flatMap(() => transactionOf(half, 'small'));
    expect(await node.ingest(bytesOf(...many))).toMatchObject({ applied: 5 * half });
    expect([begun, node.report().position]).toEqual([3, 5]);
    // Two of these are one member of less than the bytes of a group, four are a group that is full.
    const large = [1, 2, 3, 4, 5].flatMap(() => transactionOf(7, 'x'.repeat(MAX_VALUE_BYTES)));
    expect(await node.ingest(bytesOf(...large))).toMatchObject({ applied: 35 });
    expect([begun, node.report().position]).toEqual([3 + 2, 10]);
  });

  test('divides what one operation makes ready over groups of bounded size, and closing waits for all', async () => {
    const parent = ana.operation(titled('parent'));
    const children = Array.from({ length: 5 }, () => {
      const transaction = ana.transaction();
      const child = ana.operation({ transaction, entity: parent.entity, precursors: [parent.id] });
      return [child, ...Array.from({ length: MAX_TRANSACTION_OPERATIONS / 2 }, () => ana.operation({ transaction }))];
    });
    for (const child of children) await node.ingest(bytesOf(...child));
    const grandchild = ana.operation({ entity: parent.entity, precursors: children.map(([child]) => child!.id) });
    await node.ingest(bytesOf(grandchild));
    begun = 0;
    expect(node.report()).toMatchObject({ position: 0, parked: { transactions: 6 } });
    const [result] = await Promise.all([node.ingest(bytesOf(parent)), node.close()]);
    expect(result).toMatchObject({ applied: 2 + 5 + (5 * MAX_TRANSACTION_OPERATIONS) / 2, parked: 0, refused: [] });
    expect(begun).toBe(3);
  });

  test('an id minted after ingest is greater than every id ingested, however far ahead', async () => {
    const ahead = createAuthor('note', 10 ** 8).operation(titled('from the future'));
    await node.ingest(bytesOf(ahead));
    const id = await node.transact((tx) => {
      tx.update(Note, ahead.entity, { title: 'later' });
      return ahead.entity;
    });
    const [first, second] = await node.history(Note, id);
    expect(second!.id > first!.id).toBe(true);
    expect(await node.get(Note, id)).toMatchObject({ title: 'later' });
    expect(node.report().logAheadMs).toBeGreaterThan(10 ** 9);
  });

  test('what a caller does to its bytes afterwards changes nothing here', async () => {
    const parent = ana.operation(titled('parent'));
    const [child] = bytesOf(ana.operation({ entity: parent.entity, precursors: [parent.id] }));
    const [kept] = [child!.slice()];
    await node.ingest([child!]);
    child!.fill(0);
    await node.ingest(bytesOf(parent));
    expect((await node.operations(1)).map(({ bytes }) => bytes)).toEqual([kept]);
  });
});

describe('a flood of operations whose precursors never come', () => {
  const dangling = (changes: Partial<Operation> & { values?: Record<string, string> } = {}) =>
    ana.operation({ precursors: [ana.id<OperationId>()], ...changes });

  test(`is held up to ${MAX_PARKED_TRANSACTIONS} transactions; then the oldest are dropped and named`, async () => {
    const flood = Array.from({ length: MAX_PARKED_TRANSACTIONS }, () => dangling());
    expect(await node.ingest(bytesOf(...flood))).toMatchObject({ parked: MAX_PARKED_TRANSACTIONS, dropped: [] });
    expect(await node.ingest(bytesOf(dangling()))).toMatchObject({ parked: 1, dropped: [flood[0]!.transaction] });
    expect(node.report()).toMatchObject({ position: 0, parked: { transactions: MAX_PARKED_TRANSACTIONS } });
  });

  test(`is held up to ${MAX_PARKED_BYTES} bytes`, async () => {
    const large = () => dangling({ values: { title: 'x'.repeat(MAX_VALUE_BYTES) } });
    const flood = Array.from({ length: 31 }, large);
    expect(await node.ingest(bytesOf(...flood))).toMatchObject({ parked: 31, dropped: [] });
    expect(await node.ingest(bytesOf(large()))).toMatchObject({ dropped: [flood[0]!.transaction] });
    expect(node.report().parked.bytes).toBeLessThanOrEqual(MAX_PARKED_BYTES);
  });

  test(`is held for ${MAX_PARKED_MS} ms`, async () => {
    const early = dangling();
    await node.ingest(bytesOf(early));
    clock.advance(MAX_PARKED_MS);
    expect(await node.ingest(bytesOf(dangling()))).toMatchObject({ dropped: [] });
    clock.advance(1);
    expect(await node.ingest([])).toMatchObject({ dropped: [early.transaction] });
    expect(node.report().parked.transactions).toBe(1);
  });

  test('does not keep good transactions from being applied', async () => {
    const flood = Array.from({ length: 3 * MAX_PARKED_TRANSACTIONS }, () => dangling());
    const good = Array.from({ length: 100 }, () => ana.operation(titled('good')));
    const mixed = flood.flatMap((operation, index) => [operation, ...good.slice(index, index + 1)]);
    expect(await node.ingest(bytesOf(...mixed))).toMatchObject({ applied: 100 });
    expect(await node.query(Note, "title = 'good'")).toHaveLength(100);
  });
});

describe('when the storage fails', () => {
  test('at the COMMIT, parking is as it was before any of the group', async () => {
    const parent = ana.operation(titled('parent'));
    const child = ana.operation({ entity: parent.entity, precursors: [parent.id], ...titled('child') });
    await node.ingest(bytesOf(child));
    const { parked } = node.report();
    commitFails = true;
    const failing = [parent, ana.operation({ precursors: [parent.id] })].map((each) => node.ingest(bytesOf(each)));
    for (const each of failing) await expect(each).rejects.toMatchObject({ code: 'storage-failed' });
    expect(node.report()).toMatchObject({ position: 0, parked });
    commitFails = false;
    expect(await node.ingest(bytesOf(parent))).toMatchObject({ applied: 2 });
  });

  test('ingest rejects with storage-failed, and parking is as it was', async () => {
    const parent = ana.operation(titled('parent'));
    const child = ana.operation({ entity: parent.entity, precursors: [parent.id], ...titled('child') });
    await node.ingest(bytesOf(child));
    const { parked } = node.report();
    const before = everything();
    driver.exec(`CREATE TRIGGER fail BEFORE INSERT ON tendril_transaction WHEN NEW.position = 2
      BEGIN SELECT RAISE(ABORT, 'on purpose'); END`);
    const failing = [node.ingest(bytesOf(parent)), node.ingest(bytesOf(ana.operation({ precursors: [child.id] })))];
    await expect(failing[0]).rejects.toMatchObject({ code: 'storage-failed' });
    expect(await failing[1]).toMatchObject({ parked: 1 });
    expect(node.report()).toMatchObject({ position: 0, parked: { transactions: parked.transactions + 1 } });
    driver.exec('DROP TRIGGER fail');
    expect(everything()).toEqual(before);
    expect(await node.ingest(bytesOf(parent))).toMatchObject({ applied: 2 });
    expect(await node.get(Note, parent.entity)).toMatchObject({ title: 'child' });
  });
});
