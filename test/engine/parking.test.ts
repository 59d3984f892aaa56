import { describe, expect, test } from 'vitest';
import {
  type Arrival,
  createParking,
  MAX_PARKED_BYTES,
  MAX_PARKED_MS,
  MAX_PARKED_TRANSACTIONS,
} from '../../engine/ingest/parking.ts';
import type { OperationId, TransactionId } from '../../storage/index.ts';

const transaction = (number: number) => `T${number}` as TransactionId;
const missing = (number: number) => [`O${number}` as OperationId];
const arrival = (number: number, bytes = 1): Arrival<string> => ({
  transaction: transaction(number),
  items: [`item ${number}`],
  bytes,
});

describe('parking', () => {
  test('keeps what waits, oldest first, until it is taken', () => {
    const parking = createParking<string>();
    parking.park(arrival(1), missing(9), 0);
    parking.park(arrival(2), [...missing(9), ...missing(8)], 0);
    parking.park(arrival(3), missing(9), 0);
    expect(parking.came('O7' as OperationId)).toEqual([]);
    expect(parking.came('O9' as OperationId)).toEqual([transaction(1), transaction(3)]);
    expect(parking.came('O8' as OperationId)).toEqual([transaction(2)]);
    expect(parking.take(transaction(2))).toEqual(arrival(2));
    expect([parking.has(transaction(1)), parking.has(transaction(2)), parking.count()]).toEqual([true, false, 2]);
    expect(parking.take(transaction(2))).toBeNull();
  });

  test('what was taken out no longer waits', () => {
    const parking = createParking<string>();
    parking.park(arrival(1), [...missing(9), ...missing(8)], 0);
    parking.came('O8' as OperationId);
    parking.take(transaction(1));
    expect(parking.came('O9' as OperationId)).toEqual([]);
    expect(parking.bytes()).toBe(0);
  });

  test('holds as many transactions as its limit; one more drops the oldest, and says so', () => {
    const parking = createParking<string>();
    for (let number = 1; number <= MAX_PARKED_TRANSACTIONS; number += 1) {
      expect(parking.park(arrival(number), missing(0), 0)).toEqual([]);
    }
    expect(parking.park(arrival(0), missing(0), 0)).toEqual([transaction(1)]);
    expect(parking.count()).toBe(MAX_PARKED_TRANSACTIONS);
    expect(parking.has(transaction(0))).toBe(true);
  });

  test('holds as many bytes as its limit; one more drops from the oldest on', () => {
    const parking = createParking<string>();
    const half = MAX_PARKED_BYTES / 2;
    expect(parking.park(arrival(1, half), missing(0), 0)).toEqual([]);
    expect(parking.park(arrival(2, half), missing(0), 0)).toEqual([]);
    expect(parking.park(arrival(3, half + 1), missing(0), 0)).toEqual([transaction(1), transaction(2)]);
    expect(parking.bytes()).toBe(half + 1);
  });

  test('keeps a transaction for its time; a millisecond more drops it', () => {
    const parking = createParking<string>();
    parking.park(arrival(1), missing(0), 1_000);
    parking.park(arrival(2), missing(0), 1_001);
    expect(parking.expire(1_000 + MAX_PARKED_MS)).toEqual([]);
    expect(parking.expire(1_001 + MAX_PARKED_MS)).toEqual([transaction(1)]);
    expect(parking.count()).toBe(1);
  });

  test('a restored checkpoint is parking as it was', () => {
    const parking = createParking<string>();
    parking.park(arrival(1), missing(9), 5);
    const checkpoint = parking.checkpoint();
    parking.came('O9' as OperationId);
    parking.take(transaction(1));
    parking.park(arrival(2), missing(8), 6);
    parking.restore(checkpoint);
    expect([parking.count(), parking.bytes()]).toEqual([1, 1]);
    expect(parking.came('O8' as OperationId)).toEqual([]);
    expect(parking.came('O9' as OperationId)).toEqual([transaction(1)]);
    expect(parking.expire(6 + MAX_PARKED_MS)).toEqual([transaction(1)]);
  });
});
