/** An authority with two notes, and a follower that holds them, whose writes can be refused: for the suites of the shelf. */
import { idFrom } from '../../index.ts';
import { createWorld, type Follower, Note, refusing, type World } from './world.ts';

export const [X, Y, Z] = [idFrom('note', 'x'), idFrom('note', 'y'), idFrom('note', 'z')];

export interface ShelfWorld {
  readonly world: World;
  readonly ana: Follower;
}

export async function createShelfWorld(): Promise<ShelfWorld> {
  const world = await createWorld();
  await world.authority.transact((tx) => {
    tx.create(Note, { title: 'x', stars: 1 }, { id: X });
    tx.create(Note, { title: 'y', stars: 2 }, { id: Y });
  });
  const ana = await world.follow();
  await ana.node.live(Note).ready;
  return { world, ana };
}

/** Refuses whatever is uploaded until nothing moves. Returns the ids of what lies on the shelf. */
export async function refuseEach(
  { world, ana }: ShelfWorld,
  writes: readonly (() => Promise<unknown>)[],
): Promise<readonly string[]> {
  ana.upstream.judge = refusing(() => true);
  for (const write of writes) await write();
  await world.quiet();
  ana.upstream.judge = () => null;
  return (await ana.node.refused.query('ORDER BY id')).map(({ id }) => id);
}
