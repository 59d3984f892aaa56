/**
 * Offering: what comes between a welcome and the first upload of its session.
 *
 * Invariants
 *   - nothing is offered to an authority before the file says to which system this node belongs, so that a process that
 *     ends then does not offer it to another system's;
 *   - what is offered has the session's author: what was made under another is made anew.
 */
import type { Core } from '../core.ts';
import type { CommitQueue } from '../write/commit-queue.ts';
import type { Connection } from './connection.ts';
import type { Kept } from './kept.ts';
import type { Outbox, Pending } from './outbox.ts';
import { type Overlay, OverlayStep } from './overlay.ts';
import { rebase } from './remint.ts';
import type { Sender } from './sender.ts';
import type { Welcome } from './stream.ts';

export interface OfferingParts {
  readonly core: Core;
  readonly queue: CommitQueue;
  readonly connection: Connection;
  readonly kept: Kept;
  readonly outbox: Outbox;
  readonly overlay: Overlay;
  readonly sender: Sender;
  /** Under whom operations are made from now on. */
  readonly become: (author: string) => void;
  readonly failed: (error: unknown) => void;
}

/** - `welcome`: of the present session. */
export function offer(parts: OfferingParts, { system, node, author }: Welcome): void {
  const { queue, connection, kept, failed } = parts;
  if (kept.hasAdopted(system, node)) {
    offerUnder(parts, author);
    return;
  }
  const { session } = connection;
  queue.add({
    run: () => {
      kept.adopt(system, node);
      return { kind: 'done', commits: [], operations: 0, bytes: 0 };
    },
    committed: () => {
      if (session === connection.session) offerUnder(parts, author);
    },
    failed,
  });
}

function offerUnder(parts: OfferingParts, author: string): void {
  const { core, queue, connection, outbox, overlay, sender, become, failed } = parts;
  const isOthers = ({ operations }: Pending) => operations.some(({ operation }) => operation.author !== author);
  if (author === core.author && !outbox.inOrder().some(isOthers)) {
    sender.begin(connection.send);
    return;
  }
  become(author);
  queue.add({
    run: () => {
      const step = new OverlayStep(overlay);
      rebase(core, outbox, step, outbox.inOrder().filter(isOthers));
      const commit = step.end(() => []);
      return { kind: 'done', commits: commit === null ? [] : [commit], operations: 0, bytes: 0 };
    },
    committed: () => sender.begin(connection.send),
    failed,
  });
}
