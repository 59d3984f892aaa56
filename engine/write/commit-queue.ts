/**
 * Group commit: what callers ask for between two turns is committed together, with one fsync.
 *
 * Invariants
 *   - a drain is wholly synchronous: nothing of the outside world runs between BEGIN and COMMIT, so nothing sees a group
 *     half done; whoever asks meanwhile (from inside a callback) waits, see `isDraining`;
 *   - each member runs under a savepoint of its own: it sees the earlier members, and its failure takes back its own
 *     work only;
 *   - nobody is told anything before the COMMIT that holds the whole group; then commits are published in order, then
 *     members are told in order;
 *   - a failed BEGIN, savepoint or COMMIT fails all that had begun (all that waited, for a BEGIN) with `storage-failed`,
 *     last first, so that each finds memory as it left it.
 */
import { TendrilError } from '../../errors.ts';
import type { SqliteDriver } from '../../storage/index.ts';
import type { Commit } from '../change.ts';

/** A group that has reached one of these takes no further member; the rest wait for the next turn. */
export const MAX_GROUP_MEMBERS = 1_000;
export const MAX_GROUP_OPERATIONS = 10_000;
export const MAX_GROUP_BYTES = 8 * 1_024 * 1_024;
/**
 * No group has as many operations: one less than MAX_GROUP_OPERATIONS, then a member that itself had one less and ended
 * with a transaction of MAX_LOGGED_TRANSACTION_OPERATIONS.
 */
export const MAX_OPERATIONS_TOGETHER = 40_000;
/** Members that wait at most; one more fails at once. */
export const MAX_WAITING_MEMBERS = 100_000;

export type Outcome =
  /** Its work stands, if the group's COMMIT succeeds. */
  | { readonly kind: 'done'; readonly commits: readonly Commit[]; readonly operations: number; readonly bytes: number }
  /** Its work is taken back, and it goes on outside the group. */
  | { readonly kind: 'left' };

/** Nothing was written. */
export const NOTHING_DONE = { kind: 'done', commits: [], operations: 0, bytes: 0 } as const satisfies Outcome;

export interface Member {
  /** Runs inside the group's SQLite transaction. What it throws fails this member alone. */
  readonly run: () => Outcome;
  readonly committed: () => void;
  /** May be called without `run` having been: where the group could not begin. */
  readonly failed: (error: unknown) => void;
}

export interface CommitQueue {
  readonly add: (member: Member) => void;
  /** True from BEGIN to COMMIT of a group. Then reads must wait, and a microtask later is late enough. */
  readonly isDraining: () => boolean;
  /** Resolves when nobody waits. */
  readonly drained: () => Promise<void>;
}

export interface CommitQueueParts {
  readonly driver: SqliteDriver;
  /** Calls the task once, later; how much later decides how much a group gathers. */
  readonly schedule: (task: () => void) => void;
  readonly publish: (commits: readonly Commit[]) => void;
  /** Where memory stands: asked at the begin of each group and of each member. */
  readonly mark: () => number;
  /** Called after every rollback, of a savepoint or of a group: memory forgets what the file forgot since `mark`. */
  readonly rewind: (mark: number) => void;
}

type Result = Outcome | { readonly kind: 'threw'; readonly error: unknown };

/** The members a drain has begun, and how each ended. */
interface Group {
  readonly members: Member[];
  readonly results: Result[];
}

export function createCommitQueue(parts: CommitQueueParts): CommitQueue {
  const waiting: Member[] = [];
  let scheduled = false;
  let draining = false;
  const idle: (() => void)[] = [];
  /** Where to memory must be taken back: it may remember what a rollback took from the file. */
  let behind: number | null = null;

  const wake = () => {
    if (scheduled) return;
    if (waiting.length === 0) {
      for (const tell of idle.splice(0)) tell();
      return;
    }
    scheduled = true;
    parts.schedule(() => {
      try {
        drain();
      } finally {
        scheduled = false;
        wake();
      }
    });
  };

  const catchUp = () => {
    if (behind !== null) parts.rewind(behind);
    behind = null;
  };

  const drain = () => {
    const group: Group = { members: [], results: [] };
    let failure: { readonly error: unknown } | null = null;
    draining = true;
    let mark: number | null = null;
    try {
      catchUp();
      mark = parts.mark();
      parts.driver.transaction(() => runGroup(parts, waiting, group));
    } catch (error) {
      failure = { error };
      behind ??= mark;
    }
    draining = false;
    try {
      catchUp();
    } catch {
      // The storage cannot even be read: the next group tries again before it begins.
    }
    if (failure !== null && group.members.length === 0) group.members.push(...waiting);
    waiting.splice(0, group.members.length);
    if (failure === null) settle(group, parts.publish);
    else fail(group, storageFailure(failure.error));
  };

  return {
    add: (member) => {
      if (waiting.length >= MAX_WAITING_MEMBERS) return member.failed(tooManyWaiting());
      waiting.push(member);
      wake();
    },
    isDraining: () => draining,
    drained: () =>
      new Promise((resolve) => {
        idle.push(resolve);
        wake();
      }),
  };
}

/** Members may add members while they run; those join as long as there is room. */
function runGroup(parts: CommitQueueParts, waiting: readonly Member[], { members, results }: Group): void {
  let operations = 0;
  let bytes = 0;
  while (members.length < waiting.length && members.length < MAX_GROUP_MEMBERS) {
    if (operations >= MAX_GROUP_OPERATIONS || bytes >= MAX_GROUP_BYTES) return;
    const member = waiting[members.length]!;
    members.push(member);
    const result = runMember(parts, member);
    results.push(result);
    if (result.kind !== 'done') continue;
    operations += result.operations;
    bytes += result.bytes;
  }
}

/** @throws whatever the savepoint itself fails with: then the whole group is lost. */
function runMember({ driver, mark, rewind }: CommitQueueParts, member: Member): Result {
  driver.run('SAVEPOINT tendril_member');
  const begin = mark();
  let result: Result;
  try {
    result = member.run();
  } catch (error) {
    result = { kind: 'threw', error };
  }
  if (result.kind !== 'done') {
    driver.run('ROLLBACK TO tendril_member');
    rewind(begin);
  }
  driver.run('RELEASE tendril_member');
  return result;
}

function settle({ members, results }: Group, publish: (commits: readonly Commit[]) => void): void {
  try {
    const commits = results.flatMap((result) => (result.kind === 'done' ? result.commits : []));
    if (commits.length > 0) publish(commits);
  } finally {
    for (const [index, member] of members.entries()) {
      const result = results[index]!;
      if (result.kind === 'threw') member.failed(result.error);
      else member.committed();
    }
  }
}

function fail({ members, results }: Group, failure: TendrilError): void {
  for (let index = members.length - 1; index >= 0; index -= 1) {
    const result = results[index];
    members[index]!.failed(result?.kind === 'threw' ? result.error : failure);
  }
}

function tooManyWaiting(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `${MAX_WAITING_MEMBERS} transactions are waiting to be committed already.`,
    remedy: 'Await some of them before asking for more.',
    facts: { limit: MAX_WAITING_MEMBERS },
  });
}

function storageFailure(error: unknown): TendrilError {
  if (error instanceof TendrilError && (error.code.startsWith('storage-') || error.code === 'closed')) return error;
  return new TendrilError({
    code: 'storage-failed',
    problem: `The storage did not commit: ${error instanceof Error ? error.message : String(error)}`,
    remedy: 'Nothing of the transaction was kept. Look at the cause, then try it again.',
    cause: error,
  });
}
