/**
 * Re-mint against a dumb model: random chains of pending transactions, of which any is refused or made anew. The model
 * keeps what each transaction wanted, and does it all again.
 */
import { expect, test } from 'vitest';
import { type EphemeralParts, openEphemeral } from '../../engine/open-ephemeral.ts';
import type { Pending } from '../../engine/upstream/outbox/outbox.ts';
import { OverlayStep } from '../../engine/upstream/overlay/overlay-step.ts';
import { type Reminted, rebase, refuse } from '../../engine/upstream/refusals/remint.ts';
import type { Transaction } from '../../engine/write/transaction.ts';
import { idFrom } from '../../index.ts';
import type { OperationId, TransactionId } from '../../storage/index.ts';
import { createTestScheduler } from '../support/ports.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';
import { GatedUpstream, quiet } from './gated-upstream.ts';
import { createWorld, Note } from './world.ts';

const seed = seedFor('remint');
const IDS = Array.from({ length: 7 }, (_, at) => idFrom('note', at));
/** Those that the authority has; the others are created here. */
const BASE = IDS.slice(0, 3);

interface Wish {
  readonly id: string;
  readonly kind: 'create' | 'update' | 'delete' | 'restore';
  readonly values: { readonly title?: string; readonly body?: string; readonly stars?: number };
}

interface Row {
  title: string | null;
  body: string | null;
  stars: number;
  isAlive: boolean;
}

interface Wanted {
  readonly transaction: TransactionId;
  readonly wishes: readonly Wish[];
}

async function openNode(): Promise<EphemeralParts> {
  const world = await createWorld();
  await world.authority.transact((tx) => {
    for (const [stars, id] of BASE.entries()) tx.create(Note, { title: 'base', body: 'base', stars }, { id });
  });
  const upstream = new GatedUpstream(() => world.authority);
  const ports = { scheduler: createTestScheduler() };
  const parts = await openEphemeral({ collections: [Note], ports, onError: () => undefined }, upstream);
  parts.live(parts.core.catalog.entryOf(Note), '');
  await quiet(upstream);
  upstream.cut();
  return parts;
}

test('whatever is refused or made anew, the rest is as if it had been made without it', async () => {
  const random = createRandom(seed);
  let refusals = 0;
  let dependents = 0;
  for (let round = 0; round < runs(400); round += 1) {
    const parts = await openNode();
    let wanted: Wanted[] = [];
    for (let event = 0; event < 4; event += 1) {
      for (let count = random.integer(8); count > 0; count -= 1) await write(parts, wanted, random);
      if (wanted.length === 0) continue;
      const { transaction } = random.pick(wanted);
      const isRefusal = random.chance(0.6);
      const before = parts.replica.outbox.inOrder();
      if (random.chance(0.3)) failHalfway(parts, transaction, isRefusal);
      const reminted = remint(parts, transaction, isRefusal);
      const kept = replay(isRefusal ? wanted.filter((each) => each.transaction !== transaction) : wanted);
      if (isRefusal) refusals += 1;
      dependents += reminted.refused.length - (isRefusal ? 1 : 0);
      checkOutbox(parts, before, kept.wanted, transaction);
      expect(shown(parts), `seed ${seed}, round ${round}`).toEqual(kept.shown);
      wanted = [...kept.wanted];
    }
    parts.core.driver.close();
  }
  expect(refusals).toBeGreaterThan(0);
  expect(dependents).toBeGreaterThan(0);
});

async function write(parts: EphemeralParts, wanted: Wanted[], random: Random): Promise<void> {
  const wishes: Wish[] = [];
  const size = 1 + random.integer(3);
  await parts.transactor.transact((tx) => {
    for (const id of new Set(Array.from({ length: size }, () => random.pick(IDS)))) {
      const wish = wishOf(tx, id, parts.core.rows.read('note', id) !== null, random);
      if (wish !== null) wishes.push(wish);
    }
  });
  const pending = parts.replica.outbox.inOrder().at(-1);
  if (wishes.length > 0) wanted.push({ transaction: pending!.transaction, wishes });
}

/** Does something that is possible, and tells what. */
function wishOf(tx: Transaction, id: string, isKnown: boolean, random: Random): Wish | null {
  const values = random.pick([
    { title: `${random.integer(99)}` },
    { stars: random.integer(99) },
    { title: `${random.integer(99)}`, body: `${random.integer(99)}` },
  ]);
  if (!isKnown || random.chance(0.1)) {
    const all = { title: 'new', body: 'new', stars: 0, ...values };
    tx.create(Note, all, { id });
    return { id, kind: 'create', values: all };
  }
  if (tx.get(Note, id) === null) {
    tx.restore(Note, id);
    return { id, kind: 'restore', values: {} };
  }
  if (random.chance(0.2)) {
    tx.delete(Note, id);
    return { id, kind: 'delete', values: {} };
  }
  tx.update(Note, id, values);
  return { id, kind: 'update', values };
}

/** What all of them lead to, one after the other; what stands on nothing is left out, with all of its transaction. */
function replay(wanted: readonly Wanted[]): { readonly wanted: readonly Wanted[]; readonly shown: unknown } {
  let rows = new Map<string, Row>(BASE.map((id, stars) => [id, { title: 'base', body: 'base', stars, isAlive: true }]));
  const kept: Wanted[] = [];
  for (const each of wanted) {
    const after = new Map([...rows].map(([id, row]) => [id, { ...row }]));
    if (!each.wishes.every((wish) => fulfil(after, wish))) continue;
    rows = after;
    kept.push(each);
  }
  const alive = [...rows].filter(([, { isAlive }]) => isAlive).sort(([left], [right]) => (left < right ? -1 : 1));
  return { wanted: kept, shown: alive.map(([id, { title, body, stars }]) => ({ id, title, body, stars })) };
}

function fulfil(rows: Map<string, Row>, { id, kind, values }: Wish): boolean {
  const row = rows.get(id) ?? { title: null, body: null, stars: 0, isAlive: false };
  if (kind !== 'create' && !rows.has(id)) return false;
  Object.assign(row, values);
  if (kind === 'delete') row.isAlive = false;
  else if (kind !== 'update') row.isAlive = true;
  rows.set(id, row);
  return true;
}

function remint({ core, replica }: EphemeralParts, transaction: TransactionId, isRefusal: boolean): Reminted {
  const { outbox, overlay, journal } = replica;
  const pending = outbox.get(transaction)!;
  const step = new OverlayStep(overlay);
  return core.driver.transaction(() => {
    const reminted = isRefusal ? refuse(core, outbox, step, pending) : rebase(core, outbox, step, [pending]);
    step.end(() => []);
    journal.clear();
    return reminted;
  });
}

/** A group that is not committed leaves nothing, in the tables or in memory. */
function failHalfway(parts: EphemeralParts, transaction: TransactionId, isRefusal: boolean): void {
  const { outbox, overlay, journal } = parts.replica;
  const before = [outbox.inOrder(), shown(parts), outbox.bytes, IDS.map((id) => overlay.confirmed('note', id))];
  const mark = journal.mark();
  const { core } = parts;
  expect(() =>
    core.driver.transaction(() => {
      const step = new OverlayStep(overlay);
      const pending = outbox.get(transaction)!;
      if (isRefusal) refuse(core, outbox, step, pending);
      else rebase(core, outbox, step, [pending]);
      step.end(() => []);
      throw new Error('the disk is full');
    }),
  ).toThrow();
  journal.rewind(mark);
  expect([outbox.inOrder(), shown(parts), outbox.bytes, IDS.map((id) => overlay.confirmed('note', id))]).toEqual(
    before,
  );
}

/** The same transactions in the same order; what stood on what is gone anew, the others untouched. */
function checkOutbox(
  { replica: { outbox, overlay } }: EphemeralParts,
  before: readonly Pending[],
  kept: readonly Wanted[],
  root: TransactionId,
): void {
  const after = outbox.inOrder();
  expect(after.map(({ transaction }) => transaction)).toEqual(kept.map(({ transaction }) => transaction));
  const gone = new Set<OperationId>();
  for (const old of before) {
    const now = outbox.get(old.transaction);
    const stood = old.operations.some(({ operation }) => operation.precursors.some((id) => gone.has(id)));
    if (old.transaction === root || now === undefined || stood) {
      for (const { operation } of old.operations) gone.add(operation.id);
    } else expect(now).toBe(old);
    if (now === undefined || now === old) continue;
    expect(now.attempt).toBe(old.attempt + 1);
    expect(now.place).toBe(old.place);
    expect(now.operations.map(({ operation: { entity, edits } }) => [entity, edits])).toEqual(
      old.operations.map(({ operation: { entity, edits } }) => [entity, edits]),
    );
  }
  // Each builds on all that lies below it.
  const heads = new Map(IDS.map((id) => [id as string, overlay.confirmed('note', id)?.head ?? []]));
  for (const { operations } of after) {
    for (const { operation } of operations) {
      expect(operation.precursors).toEqual(heads.get(operation.entity));
      for (const precursor of operation.precursors) expect(precursor < operation.id).toBe(true);
      heads.set(operation.entity, [operation.id]);
    }
  }
  const bytes = after.flatMap(({ operations }) => operations).reduce((sum, each) => sum + each.bytes.length, 0);
  expect(outbox.bytes).toBe(bytes);
}

function shown({ core }: EphemeralParts): readonly unknown[] {
  const entry = core.catalog.entryOf(Note);
  const rows = [...IDS].sort().map((id) => core.rows.read('note', id));
  return rows.flatMap((row) => (row === null || row.deleted !== null ? [] : [entry.decode(row.values)]));
}
