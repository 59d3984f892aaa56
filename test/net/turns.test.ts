/** Whose turn it is: short ones do not wait for long ones, and long ones are done one after the other. */
import { describe, expect, test } from 'vitest';
import { MAX_PARTS_TOGETHER } from '../../net/limits.ts';
import { createTurns, type InTurn } from '../../net/turns.ts';

/** What is to run later, one by one; and which task did a part in each. */
class World {
  readonly done: string[] = [];
  readonly #later: (() => void)[] = [];
  readonly inTurn: InTurn = createTurns({
    soon: (task) => void this.#later.push(task),
    next: (task) => void this.#later.push(task),
    after: () => () => undefined,
  });

  get waiting(): number {
    return this.#later.length;
  }

  add(name: string, parts: number): void {
    let left = parts;
    this.inTurn(() => {
      this.done.push(name);
      left -= 1;
      return left > 0;
    });
  }

  turn(): void {
    this.#later.shift()!();
  }

  all(): string {
    while (this.#later.length > 0) this.turn();
    return this.done.join('');
  }
}

describe('turns', () => {
  test('do one part each, and are asked for one at a time', () => {
    const world = new World();
    for (const name of ['a', 'b', 'c']) world.add(name, 1);
    expect([world.done.length, world.waiting]).toEqual([0, 1]);
    for (const count of [1, 2, 3]) {
      world.turn();
      expect([world.done.length, world.waiting]).toEqual([count, count === 3 ? 0 : 1]);
    }
    world.add('d', 1);
    expect(world.all()).toBe('abcd');
  });

  test('what asks while it has its own turn is asked once, later', () => {
    const world = new World();
    world.inTurn(() => {
      world.done.push('a');
      world.add('b', 1);
      return false;
    });
    world.turn();
    expect([world.done.join(''), world.waiting]).toEqual(['a', 1]);
    expect(world.all()).toBe('ab');
  });

  test('are every other one of those who have just begun, and a short one waits for no long one', () => {
    const world = new World();
    world.add('L', 6);
    world.turn();
    for (const name of ['a', 'b', 'c']) world.add(name, 1);
    expect(world.all()).toBe('LLaLbLcLL');
  });

  test('go to one long one until it is done, and then to the next', () => {
    const world = new World();
    world.add('A', 4);
    world.add('B', 4);
    expect(world.all()).toBe('AABAABBB');
  });

  test(`${MAX_PARTS_TOGETHER} of a long one are done together; where there is one more, the next long one comes first`, () => {
    for (const [more, end] of [
      [0, 'BB'],
      [1, 'BBA'],
    ] as const) {
      const world = new World();
      // The first part of each is done as that of one who has just begun.
      world.add('A', 1 + MAX_PARTS_TOGETHER + more);
      world.add('B', 3);
      expect(world.all()).toBe(`AAB${'A'.repeat(MAX_PARTS_TOGETHER - 1)}${end}`);
    }
  });
});
