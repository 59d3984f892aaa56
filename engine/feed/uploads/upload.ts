/**
 * Upload: one transaction of a session on its way through the commit queue.
 *
 * Invariants
 *   - it is judged inside the group, after all that its session uploaded before;
 *   - a refusal of what the author may write is written down in the same group, an accepted one with what it wrote;
 *   - nothing is said of it before the COMMIT: an accepted one is settled by the step of its commit, which the step maker
 *     makes for the session, and the others are answered here;
 *   - where the storage fails nothing is known of it, so that neither `refused` nor `rebase` would be true: its session ends.
 */
import { TendrilError } from '../../../errors.ts';
import type { OperationId, Position, TransactionId } from '../../../storage/index.ts';
import type { Core, Prepared } from '../../core.ts';
import type { RequestOf, SaidOf } from '../../stream.ts';
import { type Member, NOTHING_DONE, type Outcome } from '../../write/commit-queue.ts';
import { sizeOf } from '../../write/prepared.ts';
import { applyUpload } from './apply-upload.ts';
import { hasDrifted, isMemorable, judgeUpload, readUpload, refusedBefore, type Uploaded } from './judge-upload.ts';

export type UploadRequest = RequestOf<'upload'>;

export type Verdict =
  | { readonly kind: 'applied' }
  | { readonly kind: 'known'; readonly position: Position; readonly uploaded: Uploaded }
  | { readonly kind: 'refused'; readonly error: TendrilError }
  /** `time`: the clock of the authority, where that is not this node. */
  | {
      readonly kind: 'rebase';
      readonly reason: SaidOf<'rebase'>['reason'];
      readonly time?: number;
    };

/** Who has uploads settled that are not settled here. */
export interface UploadForwarding {
  /** - `author`: of all operations, null where they may have several. */
  readonly take: (request: UploadRequest, author: string | null, told: Omit<UploadDesk, 'core'>) => void;
}

export interface UploadDesk {
  readonly core: Core;
  /** Its commit, if there is one, belongs to the session. */
  readonly begin: (transaction: TransactionId, operations: ReadonlySet<OperationId>) => void;
  /** Once, and last: the verdict, or why there is none. */
  readonly end: (verdict: Verdict | null, failure: unknown) => void;
}

interface Sound {
  readonly kind: 'sound';
  readonly uploaded: Uploaded;
  readonly fresh: readonly Prepared[];
}

export class Upload implements Member {
  readonly #desk: UploadDesk;
  readonly #author: string | null;
  readonly #request: UploadRequest;
  #verdict: Verdict | null = null;
  /** It is a transaction of the author's. */
  #isRead = false;

  constructor(desk: UploadDesk, author: string | null, request: UploadRequest) {
    this.#desk = desk;
    this.#author = author;
    this.#request = request;
  }

  run(): Outcome {
    const { log } = this.#desk.core;
    const { transaction, operations: pieces } = this.#request;
    let isSound = false;
    try {
      const judged = this.#judge();
      if (judged.kind !== 'sound') {
        this.#verdict = judged;
        return { kind: 'left' };
      }
      isSound = true;
      return this.#apply(judged);
    } catch (error) {
      // What the storage reports is a failure of this node, not of what it was given.
      if (!(error instanceof TendrilError) || error.code.startsWith('storage-')) throw error;
      this.#verdict = { kind: 'refused', error };
      // What applying it wrote is taken back. Bytes that cannot be read are refused whenever they come.
      if (isSound || !this.#isRead || !this.#isMemorable(error)) return { kind: 'left' };
      log.outcomes.refuse(transaction, pieces, error);
      return NOTHING_DONE;
    }
  }

  committed(): void {
    this.#desk.end(this.#verdict, null);
  }

  failed(error: unknown): void {
    this.#desk.end(null, error);
  }

  /** Refusals are forgotten in the order of their transactions' time: one of the future would stay before the others. */
  #isMemorable(error: TendrilError): boolean {
    const { core } = this.#desk;
    return isMemorable(error) && !hasDrifted(core, this.#request.transaction);
  }

  /** @throws {TendrilError} why it is refused. */
  #judge(): Verdict | Sound {
    const { core } = this.#desk;
    const { transaction, operations: pieces } = this.#request;
    const error = refusedBefore(core, transaction, pieces);
    if (error !== null) return { kind: 'refused', error };
    const uploaded = readUpload(transaction, pieces, this.#author);
    this.#isRead = true;
    const judgement = judgeUpload(core, uploaded);
    if (judgement.kind === 'rebase') return judgement;
    return { ...judgement, uploaded };
  }

  #apply({ uploaded, fresh }: Sound): Outcome {
    const { core, begin } = this.#desk;
    const { transaction } = uploaded;
    const commit = applyUpload(core, transaction, fresh);
    begin(transaction, new Set(uploaded.operations.map(({ operation }) => operation.id)));
    this.#verdict = { kind: 'applied' };
    return { kind: 'done', commits: [commit], operations: fresh.length, bytes: sizeOf(fresh) };
  }
}
