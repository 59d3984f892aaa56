/** What the crowd follows: notes under topics, 10 to a topic. */
import { collection, integer, text } from '../../index.ts';

export const Note = collection(
  'note',
  { topic: integer(), weight: integer(), sequence: integer(), sentUs: integer(), body: text() },
  { indexes: [['topic']] },
);

export const TOPICS = 200;
export const NOTES_PER_TOPIC = 10;
export const BODY_CHARACTERS = 2_000;

/** Of a crowd in which the last topic is followed by those alone who follow everything: the topic of one of the others. */
export const topicOf = (number: number): number => number % (TOPICS - 1);

/** A clock that all processes of this machine read alike. */
export const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n);

/** Of one note: enough to tell whether it is the same. */
export type NoteState = readonly [id: string, sequence: number];

export const stateOf = ({ id, sequence }: { readonly id: string; readonly sequence: number }): NoteState => [
  id,
  sequence,
];
