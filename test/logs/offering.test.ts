/** What was told is not told back, nor read again for that: of a log that was copied, nothing is offered. */
import { beforeEach, describe, expect, test } from 'vitest';
import { type Meeting, Offering } from '../../engine/logs/offering.ts';
import type { Request } from '../../engine/stream.ts';
import { TendrilError } from '../../index.ts';
import type { Position, TransactionId } from '../../storage/index.ts';
import type { LogTransaction } from '../../storage/log-transactions.ts';
import { OTHER, REOPENED, SAME, taken } from './logs-world.ts';

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
  offering.begin(SAME);
  for (last = 1 as Position; last <= 1_000; last = (last + 1) as Position) {
    offering.areThere([last], last);
    offering.go();
  }
  expect([read, sent, offering.offered]).toEqual([[], [], 1_000]);
});

test('what was written between is offered, in order, and nothing else', () => {
  let last = START;
  const { offering, positions } = offeringOver(() => last);
  offering.begin(SAME);
  last = 9 as Position;
  offering.areThere(
    [1, 2, 4, 6, 7, 9].map((position) => position as Position),
    9 as Position,
  );
  offering.go();
  expect(positions()).toEqual([3, 5, 8]);
  expect(offering.offered).toBe(2);
  for (const position of [3, 5]) offering.taken(taken(position));
  expect(offering.offered).toBe(7);
  offering.taken(taken(8));
  expect(offering.offered).toBe(9);
});

describe('an upstream that was opened again is offered what may stand beyond the cursor in its log, and no more:', () => {
  const error = new TendrilError({ code: 'clock-drift', problem: 'p', remedy: 'r' });
  const at = (position: number) => position as Position;
  let last: Position;
  let offering: Offering;
  let again: (what: Meeting) => unknown;

  beforeEach(() => {
    last = at(4);
    const over = offeringOver(() => last);
    offering = over.offering;
    again = (what) => {
      over.sent.length = 0;
      offering.begin(what);
      return over.positions();
    };
    again(SAME);
    for (const position of [1, 2]) offering.taken(taken(position, null, 10 + position));
    offering.vouch(at(10));
  });

  test('all that was taken, as long as the cursor stands before it', () => {
    for (const position of [3, 4]) offering.taken(taken(position, null, 10 + position));
    offering.vouch(at(11));
    expect([offering.offered, offering.toldAt(at(11))]).toEqual([4, { offered: 0, refused: [] }]);
    offering.vouch(at(12));
    expect([12, 13, 14].map((cursor) => offering.toldAt(at(cursor)).offered)).toEqual([2, 2, 4]);
    expect(again(SAME)).toEqual([]);
    expect(again(REOPENED)).toEqual([3, 4]);
    for (const position of [3, 4]) offering.taken(taken(position, null, 10 + position));
    expect(offering.toldAt(at(13)).offered).toBe(2);
    expect(offering.toldAt(at(14)).offered).toBe(4);
    expect(again(OTHER)).toEqual([1, 2, 3, 4]);
    expect(offering.toldAt(at(99)).offered).toBe(0);
  });

  test('what was told, as long as the cursor stands before something absent that was told earlier', () => {
    for (const position of [3, 4]) offering.taken(taken(position, null, 10 + position));
    last = at(5);
    offering.areThere([at(5)], at(20));
    offering.go();
    offering.vouch(at(15));
    expect([offering.offered, offering.toldAt(at(19)).offered, offering.toldAt(at(20)).offered]).toEqual([5, 2, 5]);
    expect(again(REOPENED)).toEqual([3, 4, 5]);
  });

  test('what it refused at first and took later', () => {
    offering.taken(taken(3, error));
    offering.taken(taken(4, null, 14));
    offering.vouch(at(14));
    offering.vouch(at(14));
    expect(offering.toldAt(at(14))).toEqual({ offered: 4, refused: [3] });
    expect(again(SAME)).toEqual([3]);
    offering.taken(taken(3, null, 30));
    offering.vouch(at(29));
    expect([29, 30].map((cursor) => offering.toldAt(at(cursor)).refused)).toEqual([[3], []]);
    expect(again(SAME)).toEqual([]);
    expect(again(REOPENED)).toEqual([3]);
    offering.taken(taken(3, null, 30));
    offering.vouch(at(30));
    expect(again(REOPENED)).toEqual([]);
  });
});
