/** Notes that are written behind the engine's back, and what verifying finds of them. */
import { idFrom, memory, type Node } from '../../index.ts';
import type { SqliteDriver, Storage } from '../../storage/index.ts';
import { Note } from './world.ts';

/** SQL for a head that no operation has. */
export const OTHER_HEAD = "x'01934b74603b0a84b1b08d2b8cf3c111'";

/** Storage that hands its driver out. */
export function handing(take: (driver: SqliteDriver) => void): Storage {
  return {
    open: async () => {
      const driver = await memory().open();
      take(driver);
      return driver;
    },
  };
}

export const id = (at: number) => idFrom('note', at);

export async function fill(node: Node, rows: number): Promise<void> {
  await node.transact((tx) => {
    for (let at = 0; at < rows; at += 1) tx.create(Note, { title: `note ${at}`, stars: at }, { id: id(at) });
  });
}

/** As many as a session's end takes. */
export async function turns(): Promise<void> {
  for (let count = 0; count < 9; count += 1) await new Promise(setImmediate);
}

/** The ids of what differs. */
export function names({ differing }: { readonly differing: readonly { readonly id: string }[] }): readonly string[] {
  return differing.map((one) => one.id).sort();
}
