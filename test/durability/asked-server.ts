/** A program made to be killed: a durable node on a file, served. */
import { serve } from '../../bindings/server/index.ts';
import { Node } from '../../index.ts';
import type { FileDriverName } from '../../storage/drivers/choose.ts';
import { decodeOperation } from '../../storage/index.ts';
import { offer } from './asked.ts';
import { COLLECTIONS, Note } from './collections.ts';
import { fileStorage } from './storages.ts';

/** A row of the answer to a selection: as much as tells it from any other. */
export type Shown = readonly [id: string, stamp: number];
/** A selection of notes. */
export type Selection = readonly [text: string, parameters: readonly number[]];

let node: Node | null = null;

const offered = {
  /** Resolves with the port. - `port`: 0 for any. */
  serve: async (driver: FileDriverName, file: string, port: number): Promise<number> => {
    node = await Node.open({ collections: COLLECTIONS, storage: fileStorage(driver, file) });
    return Number(new URL((await serve(node, { port, access: 'open' })).url).port);
  },
  answers: (asked: readonly Selection[]): Promise<readonly (readonly Shown[])[]> =>
    Promise.all(
      asked.map(async ([text, parameters]) =>
        (await node!.query(Note, text, parameters)).map(({ id, stamp }): Shown => [id, stamp]),
      ),
    ),
  /** The stamp of every transaction after `after`, and the last position. */
  logged: async (after: number): Promise<{ readonly stamps: readonly number[]; readonly position: number }> => {
    const stamps = new Map<string, number>();
    let position = after;
    for (;;) {
      const operations = await node!.operations(position);
      if (operations.length === 0) return { stamps: [...stamps.values()], position };
      for (const { bytes } of operations) {
        const { transaction, edits } = decodeOperation(bytes);
        for (const edit of edits) {
          if (edit.kind === 'set' && edit.property === 'stamp') stamps.set(transaction, Number(edit.value));
        }
      }
      position = operations.at(-1)!.position;
    }
  },
};
export type AskedServer = typeof offered;

offer(offered);
