/**
 * Upload: one transaction of a session on its way through the commit queue.
 *
 * Invariants
 *   - it is judged inside the group, after all that its session uploaded before;
 *   - nothing is said of it before the COMMIT: an accepted one is settled by the step of its commit, which the step maker
 *     makes for the session, and the others are answered here;
 *   - where the storage fails nothing is known of it, so that neither `refused` nor `rebase` would be true: its session ends.
 */
import { TendrilError } from '../../errors.ts';
import type { OperationId, Position, TransactionId } from '../../storage/index.ts';
import type { Core } from '../core.ts';
import type { Request } from '../upstream/stream.ts';
import type { Member, Outcome } from '../write/commit-queue.ts';
import { applyUpload } from './apply-upload.ts';
import { judgeUpload, readUpload, type Uploaded } from './judge-upload.ts';

export type UploadRequest = Extract<Request, { readonly kind: 'upload' }>;

export type Verdict =
  | { readonly kind: 'applied' }
  | { readonly kind: 'known'; readonly position: Position; readonly uploaded: Uploaded }
  | { readonly kind: 'refused'; readonly error: TendrilError }
  | { readonly kind: 'rebase'; readonly reason: 'clock-drift' | 'missing-precursor' };

export interface UploadDesk {
  readonly core: Core;
  /** Its commit, if there is one, belongs to the session. */
  readonly begin: (transaction: TransactionId, operations: ReadonlySet<OperationId>) => void;
  /** Once, and last: the verdict, or why there is none. */
  readonly end: (verdict: Verdict | null, failure: unknown) => void;
}

export class Upload implements Member {
  readonly #desk: UploadDesk;
  readonly #author: string;
  readonly #request: UploadRequest;
  #verdict: Verdict | null = null;

  constructor(desk: UploadDesk, author: string, request: UploadRequest) {
    this.#desk = desk;
    this.#author = author;
    this.#request = request;
  }

  run(): Outcome {
    const { core, begin } = this.#desk;
    const { transaction, operations: pieces } = this.#request;
    try {
      const uploaded = readUpload(transaction, pieces, this.#author);
      const judgement = judgeUpload(core, uploaded);
      if (judgement.kind !== 'sound') {
        this.#verdict = judgement.kind === 'known' ? { ...judgement, uploaded } : judgement;
        return { kind: 'left' };
      }
      const { fresh } = judgement;
      const commit = applyUpload(core, transaction, fresh);
      begin(transaction, new Set(uploaded.operations.map(({ operation }) => operation.id)));
      this.#verdict = { kind: 'applied' };
      const bytes = fresh.reduce((sum, each) => sum + each.bytes.length, 0);
      return { kind: 'done', commits: [commit], operations: fresh.length, bytes };
    } catch (error) {
      // What the storage reports is a failure of this node, not of what it was given.
      if (!(error instanceof TendrilError) || error.code.startsWith('storage-')) throw error;
      this.#verdict = { kind: 'refused', error };
      return { kind: 'left' };
    }
  }

  committed(): void {
    this.#desk.end(this.#verdict, null);
  }

  failed(error: unknown): void {
    this.#desk.end(null, error);
  }
}
