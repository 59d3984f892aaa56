/** Standing: how a session counts that goes on with what one before it had begun to say. */
import { expect, test } from 'vitest';
import { Standing } from '../../engine/upstream/confirming/standing.ts';
import { Journal } from '../../engine/write/journal.ts';
import { type EpochId, idFrom, type KeptReplica, type Position } from '../../storage/index.ts';

const EPOCH = '00000000000000000000000001' as EpochId;
const FIVE = 5 as Position;
const NOTHING: Pick<KeptReplica, 'selections' | 'ids'> = { selections: [], ids: [] };
const AN_ID: Pick<KeptReplica, 'selections' | 'ids'> = { selections: [], ids: [['note', idFrom('note', 'a')]] };

test.each([
  ['nothing was here', NOTHING, 'first', true],
  ['something was here, and stood nowhere', AN_ID, 'anew', false],
] as const)('where %s, also the session that goes on after a cut knows so', (_, found, began, isFirst) => {
  const standing = new Standing(new Journal());
  standing.restore(null, found);
  expect(standing.begin(EPOCH, FIVE, false)).toBe(false);
  expect([standing.began, standing.isFirst]).toEqual([began, isFirst]);
  standing.lost(true);
  expect(standing.begin(EPOCH, FIVE, true)).toBe(true);
  expect([standing.began, standing.isFirst]).toEqual(['resumed', isFirst]);
});
