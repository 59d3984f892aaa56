/** What came over a link and was not taken yet: order, turns, pauses, and how much is kept. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Inbound } from '../../net/inbound.ts';
import { MAX_PAUSED_BYTES, MAX_TURN_BYTES } from '../../net/limits.ts';
import type { Link } from '../../net/link.ts';

let turns: (() => void)[];
let calls: string[];
let taken: number[];
let onTake: (length: number) => void;
let inbound: Inbound;

function begin(canPause = true): void {
  const link: Link = { send: () => {}, queued: () => 0, close: () => {} };
  const pausable: Link = { ...link, pause: () => calls.push('pause'), resume: () => calls.push('resume') };
  inbound = new Inbound({
    scheduler: { soon: (task) => task(), next: (task) => void turns.push(task), after: () => () => {} },
    link: () => (canPause ? pausable : link),
    take: ({ length }) => {
      taken.push(length);
      onTake(length);
    },
    closed: (reason) => calls.push(`closed ${reason}`),
    overflow: () => calls.push('overflow'),
  });
}

beforeEach(() => {
  turns = [];
  calls = [];
  taken = [];
  onTake = () => {};
  begin();
});

function come(...lengths: readonly number[]): void {
  for (const length of lengths) inbound.frame(new Uint8Array(length));
}

function turn(): void {
  for (const task of turns.splice(0)) task();
}

describe('a turn', () => {
  test('takes MAX_TURN_BYTES, and leaves what is more to the next, with the link paused until then', () => {
    come(MAX_TURN_BYTES - 5, 5);
    expect([taken, calls, turns.length]).toEqual([[MAX_TURN_BYTES - 5, 5], [], 0]);
    come(7, 8);
    expect([taken.length, calls, turns.length]).toEqual([2, ['pause'], 1]);
    turn();
    expect([taken.slice(2), calls, turns.length]).toEqual([[7, 8], ['pause', 'resume'], 0]);
  });

  test('takes one frame, however large: whoever takes it refuses it', () => {
    come(MAX_TURN_BYTES + 1, 1);
    expect(taken).toEqual([MAX_TURN_BYTES + 1]);
    turn();
    expect(taken).toEqual([MAX_TURN_BYTES + 1, 1]);
  });

  test('never takes more, however much was kept', () => {
    come(...Array<number>(9).fill(MAX_TURN_BYTES / 2));
    const perTurn: number[] = [];
    for (let before = 0; turns.length > 0; before = taken.length) {
      turn();
      perTurn.push(taken.length - before);
    }
    expect(perTurn).toEqual([4, 2, 2, 1]);
    expect(calls).toEqual(['pause', 'resume']);
  });
});

describe('paused', () => {
  test('it takes nothing; resumed, what came meanwhile comes first, in order, and not at once', () => {
    come(1);
    inbound.pause();
    come(2, 3);
    expect([taken, calls]).toEqual([[1], ['pause']]);
    inbound.resume();
    come(4);
    expect(taken).toEqual([1]);
    turn();
    come(5);
    expect([taken, calls]).toEqual([
      [1, 2, 3, 4, 5],
      ['pause', 'resume'],
    ]);
  });

  test('by what it takes, it stops there', () => {
    onTake = (length) => {
      if (length === 2) inbound.pause();
    };
    inbound.pause();
    come(1, 2, 3);
    inbound.resume();
    turn();
    expect([taken, calls]).toEqual([
      [1, 2],
      ['pause', 'pause'],
    ]);
    inbound.resume();
    turn();
    expect([taken, calls.at(-1)]).toEqual([[1, 2, 3], 'resume']);
  });

  test('it keeps MAX_PAUSED_BYTES of a link that cannot wait; one more byte, and all is forgotten', () => {
    begin(false);
    inbound.pause();
    come(...Array<number>(16).fill(MAX_PAUSED_BYTES / 16));
    expect(calls).toEqual([]);
    come(1);
    expect(calls).toEqual(['overflow']);
    inbound.resume();
    turn();
    expect(taken).toEqual([]);
  });

  test('it counts the smallest frame as what keeping it costs', () => {
    inbound.pause();
    come(...Array<number>(MAX_PAUSED_BYTES / 256).fill(2));
    expect(calls).toEqual(['pause']);
    come(2);
    expect(calls).toEqual(['pause', 'overflow']);
  });
});

describe('the end of the link', () => {
  test('comes behind the frames that came before it', () => {
    come(MAX_TURN_BYTES, 1, 2);
    inbound.closed('gone');
    expect([taken.length, calls]).toEqual([1, ['pause']]);
    turn();
    expect([taken.slice(1), calls]).toEqual([
      [1, 2],
      ['pause', 'closed gone'],
    ]);
  });

  test('comes at once where nothing is taken, or nothing is left', () => {
    inbound.closed('gone');
    begin();
    inbound.pause();
    come(1);
    inbound.closed('gone too');
    inbound.resume();
    turn();
    expect([taken, calls.filter((call) => call.startsWith('closed'))]).toEqual([
      [],
      ['closed gone', 'closed gone too'],
    ]);
  });

  test('is told also if what came before it pauses', () => {
    onTake = (length) => {
      if (length === 2) inbound.pause();
    };
    come(MAX_TURN_BYTES, 2, 3);
    inbound.closed('gone');
    turn();
    expect([taken.slice(1), calls.at(-1)]).toEqual([[2], 'closed gone']);
  });
});
