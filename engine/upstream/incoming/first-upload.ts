/**
 * First upload: what comes between a welcome and the first upload of its session.
 *
 * Invariants
 *   - nothing is offered to an authority before the file says to which system this node belongs, so that a process that
 *     ends then does not offer it to another system's;
 *   - what is offered has the session's author: what was made under another is made anew, or goes onto the shelf where
 *     nothing is there that it could stand on;
 *   - nothing is offered before it is known what became of each row that is changed here and that a session of another log
 *     has let go: the authority is asked about those that were written while that session began.
 */
import { partsOf, type RowKey } from '../../row-key.ts';
import type { Welcome } from '../../stream.ts';
import { type CommitQueue, NOTHING_DONE, type Outcome } from '../../write/commit-queue.ts';
import type { HeldIds } from '../following/held-ids.ts';
import type { Pending } from '../outbox/outbox.ts';
import { OverlayStep } from '../overlay/overlay-step.ts';
import type { Connection } from '../session/connection.ts';
import type { IncomingParts } from './incoming-parts.ts';
import { Verdicts } from './verdicts.ts';

export interface FirstUploadParts {
  readonly incoming: IncomingParts;
  readonly queue: CommitQueue;
  readonly connection: Connection;
  /** Under whom operations are made from now on. */
  readonly become: (author: string) => void;
  readonly failed: (error: unknown) => void;
}

/** - `welcome`: of the present session. */
export function beginUploads(parts: FirstUploadParts, welcome: Welcome): void {
  const { incoming, queue, connection, failed } = parts;
  const { overlay, heldIds } = incoming;
  const { session } = connection;
  const unknown = overlay.unknown();
  if (unknown.length === 0) {
    offerKnown(parts, welcome);
    return;
  }
  const tasks: (() => void)[] = [];
  const isOver = () => session !== connection.session;
  // What cannot be asked about is offered as it is.
  void Promise.allSettled(askAbout(heldIds, unknown)).then(() => {
    if (isOver()) return;
    queue.add({
      run: () => (isOver() ? NOTHING_DONE : takeBackLacking(incoming, tasks)),
      committed: () => {
        overlay.parts.journal.clear();
        for (const task of tasks) task();
        if (!isOver()) offerKnown(parts, welcome);
      },
      failed,
    });
  });
}

function askAbout(heldIds: HeldIds, rows: readonly RowKey[]): readonly Promise<void>[] {
  const asked = rows.filter((key) => !heldIds.isHere(key)).map(partsOf);
  const idsIn = (name: string) => asked.flatMap(({ collection, id }) => (collection === name ? [id] : []));
  return [...new Set(asked.map(({ collection }) => collection))].map((name) => heldIds.wantAll(name, idsIn(name)));
}

/** Of what was asked about, and has not come, there is nothing. */
function takeBackLacking(incoming: IncomingParts, tasks: (() => void)[]): Outcome {
  const { overlay, heldIds } = incoming;
  const lacking = overlay.unknown().filter((key) => heldIds.isHere(key));
  if (lacking.length === 0) return NOTHING_DONE;
  const step = new OverlayStep(overlay);
  new Verdicts(incoming, tasks, () => undefined).lacking(step, lacking);
  const commit = step.end(() => []);
  return { ...NOTHING_DONE, commits: commit === null ? [] : [commit] };
}

function offerKnown(parts: FirstUploadParts, { system, author }: Welcome): void {
  const { queue, connection, failed } = parts;
  const { kept } = parts.incoming;
  if (kept.hasAdopted(system)) {
    offerUnder(parts, author);
    return;
  }
  const { session } = connection;
  queue.add({
    run: () => {
      kept.adopt(system);
      return NOTHING_DONE;
    },
    committed: () => {
      if (session === connection.session) offerUnder(parts, author);
    },
    failed,
  });
}

function offerUnder(parts: FirstUploadParts, author: string): void {
  const { incoming, queue, connection, become, failed } = parts;
  const { core, outbox, overlay, sender } = incoming;
  const { session } = connection;
  const isOthers = ({ operations }: Pending) => operations.some(({ operation }) => operation.author !== author);
  if (author === core.author && !outbox.inOrder().some(isOthers)) {
    sender.begin(connection.send);
    return;
  }
  become(author);
  const tasks: (() => void)[] = [];
  queue.add({
    run: () => {
      const step = new OverlayStep(overlay);
      const others = outbox.inOrder().filter(isOthers);
      if (others.length > 0) new Verdicts(incoming, tasks, () => undefined).unfounded(step, others);
      const commit = step.end(() => []);
      return { kind: 'done', commits: commit === null ? [] : [commit], operations: 0, bytes: 0 };
    },
    committed: () => {
      for (const task of tasks) task();
      if (session === connection.session) sender.begin(connection.send);
    },
    failed,
  });
}
