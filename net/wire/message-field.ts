/**
 * Message field: every kind of message, its code, its fields in their order, and their limits: the protocol itself.
 *
 * Invariant: this table and PROTOCOL_VERSION change together; docs/protocol.md says the same in words. The types make it
 * complete: a message, or a field of one, that is not here does not compile.
 */
import type { AnswerColumn, Described, Edge, Had, Part, Request, RequestOf, Said, SaidOf } from '../../engine/index.ts';
import {
  BUCKETS,
  BUCKETS_BYTES,
  type Cursor,
  type EntityId,
  type EpochId,
  type LogTransaction,
  MAX_LOGGED_TRANSACTION_OPERATIONS,
  MAX_NAME_BYTES,
  MAX_TRANSACTION_OPERATIONS,
  type NodeId,
  type OperationId,
  type Position,
  type PropertyType,
  type SystemId,
  type TransactionId,
} from '../../storage/index.ts';
import { MAX_CREDENTIAL_BYTES } from '../limits.ts';
import {
  type Bye,
  HELLO_SHARED_FIELDS,
  type Hello,
  type Message,
  type Ping,
  type Pong,
  PROTOCOL_VERSION,
  type Refuse,
  type WelcomeMessage,
} from '../messages.ts';
import { errorField } from './error-field.ts';
import {
  booleanField,
  bytesField,
  digestField,
  type Field,
  idField,
  idsField,
  integerField,
  listField,
  nullable,
  structField,
  textField,
  unionField,
  type Variants,
  wordField,
} from './field.ts';
import { cellField, parametersField } from './value-field.ts';
import { WireLimit } from './wire-reader.ts';

/** Bytes of one encoded message. */
export const MAX_MESSAGE_BYTES = 16 * 1_024 * 1_024;
/** UTF-8 bytes of the text of a query or statement, and of a column's name. */
export const MAX_TEXT_BYTES = 64 * 1_024;
/** UTF-8 bytes of a collection's canonical descriptor. */
export const MAX_DESCRIPTOR_BYTES = 1_024 * 1_024;
/** Collections of one `describe`. */
export const MAX_COLLECTIONS = 1_000;
/** Ids of one `hold`, `held`, `release` or `released`, and of one head. */
export const MAX_IDS = 100_000;
/** Rows of one `chunk`, `held` or `answer`, and parts of one `step`. */
export const MAX_ROWS = 100_000;
/** Edges of one `step`. */
export const MAX_EDGES = 10_000;
/** Columns of one `answer`. */
export const MAX_COLUMNS = 2_000;
/** Transactions of one `logged`. */
export const MAX_LOGGED = 10_000;
/** Operations of all transactions of one `logged`. */
export const MAX_LOGGED_OPERATIONS = 100_000;
/** Bytes of a collection's hash. */
const DESCRIPTOR_HASH_BYTES = 16;
/** The last millisecond that a Date can hold. */
const GREATEST_TIME = 8_640_000_000_000_000;

const counted = integerField<number>(1, Number.MAX_SAFE_INTEGER);
const count = integerField<number>(0, Number.MAX_SAFE_INTEGER);
const position = integerField<Position>(0, Number.MAX_SAFE_INTEGER);
const time = integerField<number>(0, GREATEST_TIME);
const protocol = integerField<number>(0, 65_535);
const name = textField(MAX_NAME_BYTES);
const text = textField(MAX_TEXT_BYTES);
const entity = idField<EntityId>();
const transaction = idField<TransactionId>();
const node = idField<NodeId>();
const system = idField<SystemId>();
const ids = idsField<EntityId>(MAX_IDS);
const bytes = bytesField(MAX_MESSAGE_BYTES);
const rows = listField(bytes, MAX_ROWS);

type Collections = RequestOf<'describe'>['collections'];
const collections: Field<Collections> = listField(
  structField<Collections[number]>({ name, hash: digestField(DESCRIPTOR_HASH_BYTES) }),
  MAX_COLLECTIONS,
);

const cursor = nullable(structField<Cursor>({ epoch: idField<EpochId>(), position }));
const operations = listField(bytes, MAX_TRANSACTION_OPERATIONS);
/** With those that narrow heads. */
const logged = listField(bytes, MAX_LOGGED_TRANSACTION_OPERATIONS);
const had = unionField<Had>({
  held: { code: 0, fields: { through: nullable(entity), edge: nullable(entity) } },
  buckets: { code: 1, fields: { hashes: digestField(BUCKETS_BYTES) } },
});
const basis = wordField(['nothing', 'held', 'buckets']);

const requests: Variants<Request> = {
  describe: { code: 1, fields: { collections } },
  subscribe: {
    code: 2,
    fields: { subscription: counted, collection: name, text, parameters: parametersField, had: nullable(had) },
  },
  unsubscribe: { code: 3, fields: { subscription: counted } },
  hold: { code: 4, fields: { collection: name, ids, had: booleanField } },
  release: { code: 5, fields: { collection: name, ids } },
  upload: { code: 6, fields: { transaction, attempt: counted, operations } },
  ask: { code: 7, fields: { request: counted, collection: nullable(name), text, parameters: parametersField } },
  log: { code: 8, fields: {} },
  offer: { code: 9, fields: { position, floor: position, operations: logged } },
};

const part = unionField<Part>({
  whole: { code: 0, fields: { collection: name, row: bytes } },
  items: { code: 1, fields: { collection: name, entity, items: bytes, head: idsField<OperationId>(MAX_IDS) } },
  leave: { code: 2, fields: { collection: name, entity } },
});

const column = structField<AnswerColumn>({
  name: text,
  type: nullable(
    wordField<PropertyType>(['text', 'integer', 'bigint', 'real', 'boolean', 'timestamp', 'blob', 'json', 'ref']),
  ),
});

/** Many transactions of many empty operations would make a thousand things of each byte: they are counted together. */
function loggedField(): Field<readonly LogTransaction[]> {
  let left = 0;
  const counted: Field<readonly Uint8Array[]> = {
    write: (made) => {
      left -= made.length;
      if (left < 0) throw new WireLimit(`has more than ${MAX_LOGGED_OPERATIONS} operations with those before it`);
      return logged.write(made);
    },
    read: (reader) => {
      const made = listField(bytes, Math.min(left, MAX_LOGGED_TRANSACTION_OPERATIONS)).read(reader);
      left -= made.length;
      return made;
    },
  };
  const list = listField(structField<LogTransaction>({ position, transaction, operations: counted }), MAX_LOGGED);
  return {
    write: (value) => {
      left = MAX_LOGGED_OPERATIONS;
      return list.write(value);
    },
    read: (reader) => {
      left = MAX_LOGGED_OPERATIONS;
      return list.read(reader);
    },
  };
}

function problemOfChunk({ basis: on, left, differing, last, edge }: Omit<SaidOf<'chunk'>, 'kind'>): string | null {
  if (edge !== null && !last) return 'has an edge before the last chunk';
  if (left.length > 0 && on !== 'held') return `has rows that left, on the basis of ${on}`;
  if (differing.length > 0 && on !== 'buckets') return `has buckets that differ, on the basis of ${on}`;
  return differing.some((bucket, at) => at > 0 && differing[at - 1]! >= bucket) ? 'has buckets out of order' : null;
}

const said: Variants<Said> = {
  described: {
    code: 32,
    fields: {
      differing: listField(
        structField<Described>({ name, canonical: nullable(textField(MAX_DESCRIPTOR_BYTES)) }),
        MAX_COLLECTIONS,
      ),
    },
  },
  chunk: {
    code: 33,
    fields: {
      subscription: counted,
      selection: counted,
      position,
      basis,
      rows,
      left: ids,
      differing: bytesField(BUCKETS),
      total: nullable(count),
      last: booleanField,
      edge: nullable(entity),
    },
    problem: problemOfChunk,
  },
  denied: { code: 34, fields: { subscription: counted, error: errorField } },
  unsubscribed: { code: 35, fields: { subscription: counted } },
  held: {
    code: 36,
    fields: { collection: name, position, basis: wordField(['nothing', 'held']), ids, rows },
    problem: (held) => (held.rows.length > held.ids.length ? 'has more rows than ids' : null),
  },
  released: { code: 37, fields: { collection: name, ids } },
  step: {
    code: 38,
    fields: {
      position,
      parts: listField(part, MAX_ROWS),
      edges: listField(structField<Edge>({ selection: counted, entity: nullable(entity) }), MAX_EDGES),
      settled: nullable(transaction),
    },
  },
  refused: { code: 39, fields: { transaction, attempt: counted, error: errorField } },
  rebase: {
    code: 40,
    fields: {
      transaction,
      attempt: counted,
      reason: wordField(['clock-drift', 'missing-precursor', 'author']),
      time,
    },
  },
  answer: {
    code: 41,
    fields: {
      request: counted,
      columns: listField(column, MAX_COLUMNS),
      rows: listField(listField(cellField(MAX_MESSAGE_BYTES), MAX_COLUMNS), MAX_ROWS),
      changes: count,
      last: booleanField,
    },
    problem: ({ columns, rows: answered }) =>
      answered.some((row) => row.length !== columns.length) ? 'has a row with another number of columns' : null,
  },
  unanswered: { code: 42, fields: { request: counted, error: errorField } },
  at: { code: 43, fields: { position } },
  unreadable: { code: 44, fields: { collection: name, entity, error: errorField } },
  logged: {
    code: 45,
    fields: { floor: position, transactions: loggedField() },
  },
  taken: { code: 46, fields: { position, at: nullable(position), error: nullable(errorField) } },
  pending: { code: 47, fields: { transaction, operations } },
  withdrawn: { code: 48, fields: { transaction } },
  linked: { code: 49, fields: { online: booleanField, error: nullable(errorField) } },
};

const session: Variants<Hello | WelcomeMessage | Refuse | Bye | Ping | Pong> = {
  hello: {
    code: 64,
    fields: {
      protocol,
      node,
      author: name,
      system: nullable(system),
      credential: nullable(textField(MAX_CREDENTIAL_BYTES)),
      cursor,
    },
    foreign: {
      shared: HELLO_SHARED_FIELDS,
      is: ({ protocol: spoken }) => spoken !== PROTOCOL_VERSION,
      rest: { cursor: null },
    },
  },
  welcome: {
    code: 65,
    fields: {
      system,
      node,
      epoch: idField<EpochId>(),
      position,
      time,
      maxId: nullable(idField<OperationId>()),
      author: name,
      resumes: booleanField,
    },
  },
  refuse: { code: 66, fields: { error: errorField } },
  bye: { code: 67, fields: { error: nullable(errorField) } },
  ping: { code: 68, fields: {} },
  pong: { code: 69, fields: {} },
};

export const messageField: Field<Message> = unionField<Message>({ ...requests, ...said, ...session });
