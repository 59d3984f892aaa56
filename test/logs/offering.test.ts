/** What was told is not told back, nor read again for that: of a log that was copied, nothing is offered. */
import { expect, test } from 'vitest';
import { Offering } from '../../engine/logs/offering.ts';
import type { Request } from '../../engine/stream.ts';
import type { Position, TransactionId } from '../../storage/index.ts';
import type { LogTransaction } from '../../storage/log-transactions.ts';

const START = 0 as Position;
const NOTHING = { offered: START, refused: [] };

/** Over a log of as many transactions as `position` says. */
function offeringOver(position: () => Position) {
  const read: Position[] = [];
  const sent: Request[] = [];
  const transactionsSince = (after: Position, limit: number): LogTransaction[] => {
    read.push(after);
    const count = Math.min(limit, position() - after);
    return Array.from({ length: count }, (_, at) => {
      const transaction = `0${String(after + at).padStart(25, '0')}` as TransactionId;
      return { position: (after + 1 + at) as Position, transaction, operations: [Uint8Array.of(1)] };
    });
  };
  const core = { log: { transactionsSince, floor: () => START }, scheduler: { soon: (task: () => void) => task() } };
  const offering = new Offering({ core: core as never, position, send: (request) => void sent.push(request) }, NOTHING);
  return { offering, read, sent, positions: () => sent.map((request) => 'position' in request && request.position) };
}

test('what the upstream told is passed over without being read', () => {
  let last = START;
  const { offering, read, sent } = offeringOver(() => last);
  offering.begin('none');
  for (last = 1 as Position; last <= 1_000; last = (last + 1) as Position) {
    offering.areThere([last]);
    offering.go();
  }
  expect([read, sent, offering.offered]).toEqual([[], [], 1_000]);
});

test('what was written between is offered, in order, and nothing else', () => {
  let last = START;
  const { offering, positions } = offeringOver(() => last);
  offering.begin('none');
  last = 9 as Position;
  offering.areThere([1, 2, 4, 6, 7, 9].map((position) => position as Position));
  offering.go();
  expect(positions()).toEqual([3, 5, 8]);
  expect(offering.offered).toBe(2);
  for (const position of [3, 5]) offering.taken(position as Position, null);
  expect(offering.offered).toBe(7);
  offering.taken(8 as Position, null);
  expect(offering.offered).toBe(9);
});

test('an upstream that was opened again is offered what it took after all that it had told was here, and no more', async () => {
  const { offering, sent, positions } = offeringOver(() => 4 as Position);
  offering.begin('none');
  const taken = (...places: readonly number[]) => {
    for (const position of places) offering.taken(position as Position, null);
  };
  taken(1, 2);
  offering.vouch();
  taken(3, 4);
  expect([offering.offered, offering.told]).toEqual([4, { offered: 2, refused: [] }]);
  for (const [again, offered] of [
    ['none', []],
    ['unvouched', [3, 4]],
    ['all', [1, 2, 3, 4]],
  ] as const) {
    sent.length = 0;
    offering.begin(again);
    expect(positions()).toEqual(offered);
    taken(...offered);
  }
});
