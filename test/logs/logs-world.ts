/** Logs world: the nodes of the suites over logs that are followed, closed after each test, the last one first. */
import { afterEach, expect } from 'vitest';
import type { Meeting } from '../../engine/logs/offering.ts';
import type { SaidOf } from '../../engine/stream.ts';
import { type Collection, Node, type NodeOptions, type TendrilError } from '../../index.ts';
import type { Position } from '../../storage/index.ts';
import { createTestClock, createTestRandom, createTestScheduler } from '../support/ports.ts';

export interface Nodes {
  readonly open: (options?: Partial<NodeOptions>) => Promise<Node>;
  readonly close: (node: Node) => Promise<void>;
}

/** - `seeds`: the random numbers of the first node; each has others. */
export function createNodes(collections: readonly Collection[], seeds: number): Nodes {
  const opened = new Set<Node>();
  let seed = seeds;
  afterEach(async () => {
    for (const node of [...opened].reverse()) await node.close();
    opened.clear();
  });
  return {
    open: async (options = {}) => {
      seed += 1;
      const ports = { clock: createTestClock(), random: createTestRandom(seed), scheduler: createTestScheduler() };
      const node = await Node.open({ collections, ports, onError: () => undefined, ...options });
      opened.add(node);
      return node;
    },
    close: async (node) => {
      opened.delete(node);
      await node.close();
    },
  };
}

export async function turn(count = 1): Promise<void> {
  for (; count > 0; count -= 1) await new Promise((resolve) => setImmediate(resolve));
}

export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let left = 5_000; left > 0; left -= 1) {
    if (await holds()) return;
    await turn();
  }
  expect.fail('it never came to be');
}

/** What an upstream says of an offer, which stands at `at` in its log if it is not refused. */
export function taken(position: number, error: TendrilError | null = null, at = position): SaidOf<'taken'> {
  return { kind: 'taken', position: position as Position, at: error === null ? (at as Position) : null, error };
}

/** How a session begins: with the upstream of the last one, with the same opened again, with another. */
export const SAME: Meeting = { isSame: true, resumes: true };
export const REOPENED: Meeting = { isSame: false, resumes: true };
export const OTHER: Meeting = { isSame: false, resumes: false };
