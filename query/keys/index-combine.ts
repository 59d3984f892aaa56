/**
 * Index keys of several conditions together: AND takes the most selective, OR takes all.
 *
 * Invariant: whatever satisfies all conditions meets a key of `mostSelective`; whatever satisfies one, of `ofEveryArm`.
 */
import type { Bound, IndexKey, Keys, RangeKey } from './index-key.ts';
import { compareKeys, type RowKey } from './row-key.ts';

/** The keys for an OR: each arm must have some. */
export function ofEveryArm(arms: readonly Keys[]): Keys {
  const keys: IndexKey[] = [];
  for (const arm of arms) {
    if (arm === null) return null;
    keys.push(...arm);
  }
  return keys;
}

export function withoutRepeats(keys: readonly IndexKey[]): readonly IndexKey[] {
  if (keys.length < 2) return keys;
  const seen = new Set<string>();
  return keys.filter((key) => {
    const spelled = spell(key);
    return !seen.has(spelled) && seen.add(spelled);
  });
}

function spell(key: IndexKey): string {
  switch (key.kind) {
    case 'equal':
      return JSON.stringify([key.column.index, key.fold, ...spellKey(key.key)]);
    case 'range':
      return JSON.stringify([key.column.index, key.fold, 'range', spellBound(key.low), spellBound(key.high)]);
    case 'null':
      return JSON.stringify([key.column.index]);
    case 'every':
      return '';
  }
}

function spellBound(bound: Bound | null): readonly unknown[] {
  return bound === null ? [] : [bound.inclusive, ...spellKey(bound.key)];
}

function spellKey(key: RowKey): readonly string[] {
  return [typeof key, String(key)];
}

/** The keys for an AND; BETWEEN is one of two comparisons. */
export function mostSelective(conjuncts: readonly Keys[]): Keys {
  const known = conjuncts.filter((keys) => keys !== null);
  const ranges = known.filter((keys) => keys.length === 1).flatMap((keys) => keys.filter(isRange));
  const candidates = [...intersections(ranges), ...known];
  return candidates.reduce<Keys>((best, keys) => (best === null || isMoreSelective(keys, best) ? keys : best), null);
}

function isRange(key: IndexKey): key is RangeKey {
  return key.kind === 'range';
}

/** Ranges of one column met in one AND hold together: `a > 1 AND a < 5` is one range with two ends. */
function intersections(ranges: readonly RangeKey[]): readonly (readonly IndexKey[])[] {
  const merged = new Map<string, RangeKey>();
  for (const range of ranges) {
    const place = `${range.column.index} ${range.fold}`;
    const other = merged.get(place);
    merged.set(place, other === undefined ? range : intersection(other, range));
  }
  return [...merged.values()].map((range) => (isEmpty(range) ? [] : [range]));
}

function intersection(a: RangeKey, b: RangeKey): RangeKey {
  const low = a.low && b.low ? (tighter(a.low, b.low, 1) ? a.low : b.low) : (a.low ?? b.low);
  const high = a.high && b.high ? (tighter(a.high, b.high, -1) ? a.high : b.high) : (a.high ?? b.high);
  return { ...a, low, high };
}

function tighter(a: Bound, b: Bound, direction: 1 | -1): boolean {
  const order = compareKeys(a.key, b.key) * direction;
  return order > 0 || (order === 0 && !a.inclusive);
}

function isEmpty({ low, high }: RangeKey): boolean {
  if (low === null || high === null) return false;
  const order = compareKeys(low.key, high.key);
  return order > 0 || (order === 0 && !(low.inclusive && high.inclusive));
}

/** First by the least selective kind of key, then by how many there are. */
function isMoreSelective(keys: readonly IndexKey[], than: readonly IndexKey[]): boolean {
  const difference = costOf(keys) - costOf(than);
  return difference < 0 || (difference === 0 && keys.length < than.length);
}

function costOf(keys: readonly IndexKey[]): number {
  let worst = 0;
  for (const key of keys) worst = Math.max(worst, costOfKind(key));
  return worst;
}

function costOfKind(key: IndexKey): number {
  switch (key.kind) {
    case 'equal':
      return 1;
    case 'null':
      return 2;
    case 'range':
      return key.low !== null && key.high !== null ? 3 : 4;
    case 'every':
      return 5;
  }
}
