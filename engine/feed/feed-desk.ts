/** Feed desk: what all sessions of one feed share. */
import type { TransactionId } from '../../storage/index.ts';
import type { Source } from '../change.ts';
import type { Core } from '../core.ts';
import type { Ingester } from '../ingest/ingest.ts';
import type { Reader } from '../reader.ts';
import type { FeedSession } from '../stream.ts';
import type { CommitQueue } from '../write/commit-queue.ts';
import type { AnswerParts } from './answers.ts';
import type { FeedRows } from './feed-rows.ts';
import type { FeedWork } from './feed-work.ts';
import type { FollowedCollection } from './followed/followed-collection.ts';
import type { Follower } from './follower.ts';
import type { OperationCount } from './past/operation-count.ts';
import type { SharedPast } from './past/shared-past.ts';
import type { Silence } from './silence.ts';
import type { Uploader } from './step-maker.ts';
import type { UploadForwarding } from './uploads/upload.ts';
import type { UploadLoad } from './uploads/upload-load.ts';

export interface FeedDesk {
  readonly core: Core;
  readonly reader: Reader;
  readonly queue: CommitQueue;
  readonly source: Source;
  readonly answers: AnswerParts;
  readonly ingester: Ingester;
  /** Where another node settles what is uploaded here. */
  readonly forwarding: UploadForwarding | null;
  readonly rows: FeedRows;
  readonly past: SharedPast;
  readonly operations: OperationCount;
  readonly silence: Silence<Follower>;
  readonly work: FeedWork;
  readonly chunkRows: number;
  readonly collections: ReadonlyMap<string, FollowedCollection>;
  /** Of the transactions of the group that is being committed. */
  readonly uploaders: Map<TransactionId, Uploader>;
  readonly load: UploadLoad;
  /** True while the tables hold what the sessions have not been told yet. */
  readonly isBusy: () => boolean;
  /** Runs `task` when that is over: at once, mostly. Tasks run in the order given. */
  readonly whenQuiet: (task: () => void) => void;
  readonly forget: (session: FeedSession) => void;
}
