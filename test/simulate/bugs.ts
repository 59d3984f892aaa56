import type { Fault } from './faults.ts';

/**
 * Planted bugs: edits of the source, each of which breaks a law. The simulation must find every one; test/simulate/bugs.test.ts
 * plants them in a copy, so that nothing of them is in what is shipped.
 */
export interface PlantedBug {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** What it breaks. */
  readonly why: string;
  /** Where it is looked for: from this seed on, with these faults. From 1 on, with those that the seeds choose. */
  readonly seed?: number;
  readonly faults?: readonly Fault[];
  /** Events of one run; 1,000 where it is not said. */
  readonly steps?: number;
}

export const BUGS: readonly PlantedBug[] = [
  {
    name: 'acknowledge a group whose COMMIT failed',
    file: 'engine/write/commit-queue.ts',
    find: 'if (failure === null) settle(group, parts.publish);',
    replace: 'if (failure === null || group.results.length > 0) settle(group, parts.publish);',
    why: 'law 5: what was called settled is not in the log',
    faults: ['storage'],
  },
  {
    name: 'an item above _asOf ignored',
    file: 'engine/upstream/confirming.ts',
    find: '    if (row.asOf >= position) return row;',
    replace: '    if (row.asOf >= position - 1) return row;',
    why: 'positions are compared off by one: a change is missed',
  },
  {
    name: 'refused t1 but a2[a1] kept',
    file: 'engine/upstream/remint.ts',
    find: 'const baseless = pending.operations.some((each) => rowOf(each) === null && !creates(each));',
    replace: 'const baseless = false;',
    why: 'what was built on a refused creation has nothing to stand on',
    faults: ['doom'],
  },
  {
    name: 're-minted under a new transaction id',
    file: 'engine/upstream/remint.ts',
    find: 'id: mint.next() as OperationId, precursors, author };',
    replace: 'id: mint.next() as OperationId, transaction: mint.next() as never, precursors, author };',
    why: 'an attempt is another transaction: its outcome is lost',
    faults: ['doom'],
  },
  {
    name: 'refused rows stay',
    file: 'engine/upstream/remint.ts',
    find: 'for (const { operation } of refused.operations) touch(core.catalog, step, operation);',
    replace: '',
    why: 'law 8: a refusal leaves a trace at its author',
    faults: ['doom'],
  },
  {
    name: 'admitted beyond the edge',
    file: 'engine/live/window.ts',
    find: 'edge === null ? [...came] : came.filter((item) => compare(item, edge) <= 0)',
    replace: '[...came]',
    why: 'a window shows a row before others that are not held',
  },
  {
    name: 'pushed out of a window and not told',
    file: 'engine/live/window.ts',
    find: 'for (let nth = stayShown; nth < stayedShown; nth += 1) {',
    replace: 'for (let nth = stayShown + 1; nth < stayedShown; nth += 1) {',
    why: 'change sets do not fold to the rows',
  },
  {
    name: 'unbounded queue',
    file: 'net/outbound.ts',
    find: 'if (!this.#hasRoom(bytes.length, maxBytes)) return false;',
    replace: '',
    why: 'law 10: a slow reader eats the memory',
    faults: ['slow'],
    steps: 5_000,
    seed: 2,
  },
  {
    name: 'no reconnection',
    file: 'engine/upstream/connection.ts',
    find: 'if (!final && this.#closed === null && this.#session === null) this.#retryLater();',
    replace: '',
    why: 'a lost link stays lost',
    faults: ['reset'],
  },
  {
    name: 'silence is never noticed',
    file: 'net/follower-session.ts',
    find: '    timeout: silent,',
    replace: '    timeout: stay,',
    why: 'a server that vanished without a word is waited for for ever',
    faults: ['crash-authority'],
    seed: 12,
  },
  {
    name: 'the base is not moved when own operations are settled',
    file: 'engine/upstream/overlay.ts',
    find: `    met.confirmed = row;
    met.hasLeft = false;
    met.isSettled = true;`,
    replace: `    met.hasLeft = false;
    met.isSettled = true;`,
    why: 'a settled write vanishes at its author',
  },
  {
    name: 'an upload that is known is taken again',
    file: 'engine/feed/judge-upload.ts',
    find: 'if (held === null) fresh.push(prepared);',
    replace: 'if (held === null || outcome !== null) fresh.push(prepared);',
    why: 'a lost acknowledgement is no reason to apply a transaction twice, or to refuse it',
    faults: ['reset', 'cut'],
  },
  {
    name: 'evicted too early',
    file: 'engine/upstream/incoming.ts',
    find: 'const isCovered = row.deleted === null && following.covers(collection, row.values);',
    replace: 'const isCovered = false;',
    why: 'a row goes that another live query shows',
    faults: ['pause'],
  },
  {
    name: 'never evicted',
    file: 'engine/upstream/incoming.ts',
    find: 'if (!isCovered) step.leave(collections.entryOf(collection), id);',
    replace: '',
    why: 'a row that nobody keeps current is shown',
    faults: ['pause'],
    seed: 3,
  },
  {
    name: 'the last to arrive wins',
    file: 'engine/write/merge.ts',
    find: 'if (winner !== null && winner >= operation.id) continue;',
    replace: '',
    why: 'law 1: rows depend on the order of arrival',
  },
  {
    name: 'an edit revives',
    file: 'engine/write/merge.ts',
    find: "deleted = edit.kind === 'delete' ? operation.id : null;",
    replace: "deleted = edit.kind === 'delete' ? operation.id : deleted;",
    why: 'a restored row stays deleted',
  },
  {
    name: 'a leave is not told',
    file: 'engine/feed/step-maker.ts',
    find: "if (!is || touched?.after === null) return was ? 'leave' : null;",
    replace: 'if (!is || touched?.after === null) return null;',
    why: 'a follower shows rows that left its selection',
  },
  {
    name: 'an edge is not told',
    file: 'engine/feed/step-maker.ts',
    find: 'if (hasNewEdge) this.#tellEdge(followed, window.edge);',
    replace: '',
    why: 'a window shows less or more than it keeps',
    seed: 5,
  },
  {
    name: 'a refill is not told',
    file: 'engine/feed/step-maker.ts',
    find: 'for (const id of entered) noteMove(',
    replace: 'for (const id of entered.slice(1)) noteMove(',
    why: 'a row that others moved into a window does not come',
  },
  {
    name: 'only the new row is looked up',
    file: 'engine/live/selection-index.ts',
    find: 'if (cellBefore !== undefined && cellBefore !== cell) {',
    replace: 'if (cellBefore !== undefined && cell === undefined) {',
    why: 'law 6: who loses a row is not found',
  },
  {
    name: 'backup without new epoch',
    file: 'storage/epoch.ts',
    find: '      if (recorded) return epoch();\n',
    replace: `      const last = driver.get('SELECT epoch FROM tendril_epoch ORDER BY ordinal DESC LIMIT 1');
      if (last !== undefined) return readId<EpochId>(last[0] as Uint8Array, 0);
`,
    why: 'positions of a log that is no more are believed',
    faults: ['cut', 'backup'],
  },
  {
    name: 'a cursor of another log is resumed',
    file: 'engine/feed/catch-up.ts',
    find: 'if (cursor === null || !log.covers(cursor) || cursor.position < log.floor()) return false;',
    replace: 'if (cursor === null || cursor.position < log.floor()) return false;',
    why: 'a restored backup is not noticed',
    faults: ['cut', 'backup'],
  },
  {
    name: 'catch-up begins one too late',
    file: 'engine/feed/catch-up.ts',
    find: '    this.cursor = cursor;\n    this.#through = cursor ?? (0 as Position);',
    replace: '    this.cursor = cursor;\n    this.#through = (cursor === null ? 0 : cursor + 1) as Position;',
    why: 'the first change while away is missed',
    faults: ['cut', 'reset'],
    seed: 4,
  },
  {
    name: 'a returning client misses what left',
    file: 'engine/upstream/incoming.ts',
    find: 'for (const id of left) if (!stage.isTold(entry, id)) stage.leave(entry, id);',
    replace: '',
    why: 'rows that were deleted or moved out while it was away stay',
    faults: ['cut', 'reset'],
  },
  {
    name: 'the cursor goes before the rows',
    file: 'engine/upstream/standing.ts',
    find: 'const isKept = !isWhole || (',
    replace: 'const isKept = (',
    why: 'after a crash the file says it has what it has not',
    faults: ['cut', 'reset'],
    seed: 3,
  },
  {
    name: 'equal buckets are not compared',
    file: 'engine/upstream/whole.ts',
    find: 'if (row === null || !following.keeps(name, row)) return false;',
    replace: 'if (row === null) return false;',
    why: 'rows of a log that is no more stay',
    faults: ['backup', 'reset'],
    seed: 10,
  },
  {
    name: 'settled and kept in the file',
    file: 'engine/upstream/outbox.ts',
    find: '    this.#store.removeTransaction(place);\n',
    replace: '',
    why: 'after a restart what was settled is offered again, and shown as pending',
    faults: ['crash'],
  },
  {
    name: 'stale rows are entered whole',
    file: 'engine/upstream/confirming.ts',
    find: 'if (held === null || held.asOf <= row.asOf) step.confirm(entry, id, row);',
    replace: 'if (held === null) step.confirm(entry, id, row);',
    why: 'a row that comes whole again is not taken',
    faults: ['cut', 'reset'],
  },
  {
    name: 'a snapshot read before the cursor it states',
    file: 'engine/feed/hydration.ts',
    find: '      position: this.#parts.source.position(),',
    replace: '      position: (this.#parts.source.position() + 1) as never,',
    why: 'whoever resumes there misses the next change',
    faults: ['cut', 'reset'],
    seed: 3,
  },
  {
    name: 'lost update between snapshot and watch',
    file: 'engine/feed/subscription.ts',
    find: '(this.through !== null && id <= this.through)',
    replace: 'false',
    why: 'what changes between two chunks is not told',
    faults: ['reset'],
    seed: 9,
  },
  {
    name: 'outcome pruned too early',
    file: 'engine/compact.ts',
    find: 'export const OUTCOME_RETENTION_MS = 90 * 24 * 60 * 60_000;',
    replace: 'export const OUTCOME_RETENTION_MS = 0;',
    why: 'a write that was settled is refused when it is offered again',
    faults: ['compact', 'reset'],
  },
  {
    name: 'untold rows kept',
    file: 'engine/upstream/whole.ts',
    find: '  letGoUntold(parts, session);\n',
    replace: '',
    why: 'rows stand for which nobody speaks any more',
    faults: ['cut', 'reset'],
  },
  {
    name: 'a stage that failed is built on',
    file: 'engine/upstream/replica.ts',
    find: 'this.#isStageUsable = isCaughtUp && !this.#hasFailed;',
    replace: 'this.#isStageUsable = isCaughtUp;',
    why: 'what a rollback took from the tables is believed to be in them',
    faults: ['follower-storage', 'cut', 'reset'],
    seed: 3,
  },
  {
    name: 'a pending write is not shown over its row',
    file: 'engine/write/merge.ts',
    find: 'if (winner !== null && winner >= operation.id) continue;',
    replace: 'if (winner !== null) continue;',
    why: 'an edit of what was set before is lost',
  },
];
