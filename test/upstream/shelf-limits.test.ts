/** The shelf by itself: what it says of operations, and that of too many the oldest go, which onError is told. */
import { beforeEach, describe, expect, test } from 'vitest';
import { type EphemeralParts, openEphemeral } from '../../engine/open-ephemeral.ts';
import { MAX_SHELF_BYTES, MAX_SHELF_TRANSACTIONS } from '../../engine/upstream/limits.ts';
import type { Pending } from '../../engine/upstream/outbox/outbox.ts';
import { OverlayStep } from '../../engine/upstream/overlay/overlay-step.ts';
import { idFrom, type TendrilError } from '../../index.ts';
import type { EntityId, TransactionId } from '../../storage/index.ts';
import { createTestScheduler } from '../support/ports.ts';
import { GatedUpstream, quiet } from './gated-upstream.ts';
import { pendingOf } from './pending.ts';
import { createWorld, Note, refusal } from './world.ts';

const X = idFrom('note', 'x');

describe('the shelf', () => {
  let parts: EphemeralParts;
  let errors: TendrilError[];

  beforeEach(async () => {
    errors = [];
    const world = await createWorld();
    const upstream = new GatedUpstream(() => world.authority);
    upstream.isReachable = false;
    const ports = { scheduler: createTestScheduler() };
    const onError = (error: unknown) => void errors.push(error as TendrilError);
    parts = await openEphemeral({ collections: [Note], ports, onError }, upstream);
    await quiet(upstream);
    return () => parts.core.driver.close();
  });

  const transaction = (at: number) => `01${String(at).padStart(24, '0')}` as TransactionId;
  const idsOnShelf = () => parts.core.driver.all('SELECT id FROM tendril_refused ORDER BY id').map(([id]) => id);
  function pending(at: number, body = ''): Pending {
    const made = pendingOf(transaction(at), at, 0, X as EntityId);
    const edits = [{ kind: 'set', property: 'body', value: body }] as const;
    const operations = [{ ...made, operation: { ...made.operation, edits } }];
    return { transaction: transaction(at), place: at, attempt: 1, rebases: 0, state: 'queued', operations };
  }
  /** As one refusal would. */
  async function put(refused: readonly Pending[], fails = false): Promise<readonly unknown[]> {
    let changes: readonly unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      let tell = () => {};
      parts.queue.add({
        run: () => {
          const step = new OverlayStep(parts.replica.overlay);
          tell = parts.replica.shelf.put(step, refused, refused[0]!.transaction, refusal());
          const commit = step.end(() => []);
          changes = commit?.changes ?? [];
          if (fails) throw new Error('not committed');
          return { kind: 'done', commits: commit === null ? [] : [commit], operations: 0, bytes: 0 };
        },
        committed: () => {
          tell();
          resolve();
        },
        failed: reject,
      });
    });
    return changes;
  }

  test('says nothing of an operation that only narrowed a head', async () => {
    const { operations, ...rest } = pending(1, 'tried');
    const [each] = operations;
    const narrowing = { ...each!, operation: { ...each!.operation, edits: [] } };
    await put([{ ...rest, operations: [narrowing, each!] }]);
    const [tried] = parts.core.driver.all('SELECT tried FROM tendril_refused').flat();
    expect(JSON.parse(tried as string)).toEqual([
      { collection: 'note', id: X, kind: 'update', values: { body: 'tried' } },
    ]);
  });

  test('holds MAX_SHELF_TRANSACTIONS; of one more the oldest goes, and onError is told which', async () => {
    const all = Array.from({ length: MAX_SHELF_TRANSACTIONS }, (_, at) => pending(at));
    await put(all);
    expect([idsOnShelf().length, errors]).toEqual([MAX_SHELF_TRANSACTIONS, []]);
    const live = parts.live(parts.core.catalog.local[0]!, 'ORDER BY id LIMIT 1');
    await put([pending(MAX_SHELF_TRANSACTIONS)]);
    expect(errors).toMatchObject([{ code: 'limit-exceeded', facts: { transaction: transaction(0) } }]);
    expect(idsOnShelf().length).toBe(MAX_SHELF_TRANSACTIONS);
    expect(live.rows[0]!.id).toBe(transaction(1));
    expect(parts.replica.shelf.report().transactions).toBe(MAX_SHELF_TRANSACTIONS);
  });

  test('holds MAX_SHELF_BYTES; of one byte more the oldest goes', async () => {
    await put([pending(0)]);
    const { bytes: empty } = parts.replica.shelf.report();
    const others = 8;
    const each = Math.floor(MAX_SHELF_BYTES / (others + 1)) - empty;
    const rest = MAX_SHELF_BYTES - empty - others * (empty + each);
    // The last one fills it to the byte.
    const last = each + rest;
    for (let at = 1; at < others; at += 1) await put([pending(at, 'x'.repeat(each))]);
    await put([pending(others, 'x'.repeat(last))]);
    expect([parts.replica.shelf.report(), errors]).toEqual([{ transactions: others + 1, bytes: MAX_SHELF_BYTES }, []]);
    await new Promise<void>((resolve, reject) => {
      parts.queue.add({
        run: () => {
          parts.replica.shelf.take(transaction(others) as string as EntityId);
          return { kind: 'done', commits: [], operations: 0, bytes: 0 };
        },
        committed: resolve,
        failed: reject,
      });
    });
    await put([pending(others + 1, 'x'.repeat(last + 1))]);
    expect(errors).toMatchObject([{ facts: { transaction: transaction(0) } }]);
    expect(parts.replica.shelf.report()).toEqual({ transactions: others, bytes: MAX_SHELF_BYTES - empty + 1 });
  });

  test('takes of one refusal the latest, as many as there is room for, and each row once', async () => {
    await put([pending(1)]);
    const large = 'x'.repeat(MAX_SHELF_BYTES / 3);
    const changes = await put([2, 3, 4, 5].map((at) => pending(at, large)));
    expect(idsOnShelf()).toEqual([transaction(4), transaction(5)]);
    expect(errors.map(({ facts }) => facts.transaction)).toEqual([transaction(1), transaction(2), transaction(3)]);
    expect(changes).toMatchObject([
      { id: transaction(1), after: null },
      { id: transaction(4), before: null },
      { id: transaction(5), before: null },
    ]);
  });

  test('is as it was where the group fails', async () => {
    await put([pending(1), pending(2)]);
    const before = parts.replica.shelf.report();
    await expect(put([pending(3, 'x'.repeat(MAX_SHELF_BYTES - 100))], true)).rejects.toThrow('not committed');
    expect(parts.replica.shelf.report()).toEqual(before);
    expect([idsOnShelf(), errors]).toEqual([[transaction(1), transaction(2)], []]);
  });
});
