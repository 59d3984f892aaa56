/**
 * The one base of every failure: what happened, what to do, and the facts.
 *
 * `code` is stable and listed in docs/errors.md; `problem` and `remedy` are sentences for people;
 * `facts` are plain values for programs.
 */
export type ErrorCode =
  | 'query-syntax'
  | 'query-unsupported'
  | 'unknown-property'
  | 'unknown-collection'
  | 'invalid-parameter'
  | 'invalid-value'
  | 'invalid-schema'
  | 'invalid-option'
  | 'invalid-operation'
  | 'identity-clash'
  | 'schema-mismatch'
  | 'not-found'
  | 'conflict'
  | 'closed'
  | 'limit-exceeded'
  | 'history-unavailable'
  | 'not-covered'
  | 'offline'
  | 'outcome-unknown'
  | 'system-mismatch'
  | 'clock-drift'
  | 'policy-denied'
  | 'protocol-mismatch'
  | 'protocol-violation'
  | 'storage-failed'
  | 'storage-busy'
  | 'storage-damaged'
  | 'storage-foreign'
  | 'storage-newer'
  | 'storage-unsupported';

export type Facts = Readonly<Record<string, unknown>>;

export interface Failure {
  readonly code: ErrorCode;
  /** What happened, and where. One or two sentences. */
  readonly problem: string;
  /** What the reader can do about it. */
  readonly remedy: string;
  readonly facts?: Facts;
  readonly cause?: unknown;
}

export class TendrilError extends Error {
  override readonly name = 'TendrilError';
  readonly code: ErrorCode;
  readonly problem: string;
  readonly remedy: string;
  readonly facts: Facts;

  constructor(failure: Failure) {
    super(`${failure.problem} ${failure.remedy}`, failure.cause === undefined ? undefined : { cause: failure.cause });
    this.code = failure.code;
    this.problem = failure.problem;
    this.remedy = failure.remedy;
    this.facts = failure.facts ?? {};
  }
}

/** An assertion, on in production: a false `condition` is a bug of ours, never the user's mistake. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`Tendril is wrong about itself: ${what}`);
}
