/** Questions: what this node has asked its upstream and not been answered yet. At most MAX_OPEN_QUESTIONS. */
import { TendrilError } from '../../../errors.ts';
import type { Cell, SqlParameters } from '../../../query/index.ts';
import type { Answer, RequestOf } from '../../stream.ts';
import { MAX_OPEN_QUESTIONS } from '../limits.ts';

interface Open {
  rows: (readonly Cell[])[];
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export class Questions {
  readonly #open = new Map<number, Open>();
  #asked = 0;

  get size(): number {
    return this.#open.size;
  }

  /** - `collection`: null for a whole statement. - `send`: behind what was written before. */
  ask(
    collection: string | null,
    text: string,
    parameters: SqlParameters,
    send: (request: RequestOf<'ask'>) => void,
  ): Promise<Answer> {
    if (this.#open.size >= MAX_OPEN_QUESTIONS) return Promise.reject(tooMany());
    this.#asked += 1;
    const request = this.#asked;
    return new Promise((resolve, reject) => {
      this.#open.set(request, { rows: [], resolve, reject });
      send({ kind: 'ask', request, collection, text, parameters });
    });
  }

  answered(request: number, { columns, rows, changes }: Answer, last: boolean): void {
    const open = this.#open.get(request);
    if (open === undefined) return;
    for (const row of rows) open.rows.push(row);
    if (!last) return;
    this.#open.delete(request);
    open.resolve({ columns, rows: open.rows, changes });
  }

  failed(request: number, error: TendrilError): void {
    this.#open.get(request)?.reject(error);
    this.#open.delete(request);
  }

  /** The session has ended: whether a statement was run there is not known. */
  lost(error: unknown): void {
    for (const { reject } of this.#open.values()) reject(error);
    this.#open.clear();
  }
}

function tooMany(): TendrilError {
  return new TendrilError({
    code: 'limit-exceeded',
    problem: `${MAX_OPEN_QUESTIONS} reads and statements wait for the upstream's answer already.`,
    remedy: 'Await some of them first; a live query answers from what is held.',
    facts: { limit: MAX_OPEN_QUESTIONS },
  });
}
