/** Watched: the live queries that a program has open on one node, so that they can be checked without its help. */
import type { LiveQuery, Node } from '../../engine/index.ts';
import { type SqlParameters, Where } from '../../query/index.ts';
import type { Collection } from '../../storage/index.ts';

/** One live query, as it was asked for. */
export interface Watched {
  readonly live: LiveQuery<unknown>;
  /** Null for a whole statement. */
  readonly collection: Collection | null;
  text: string;
  parameters: SqlParameters;
  /** Has shown its first answer. */
  isReady: boolean;
}

type Open = (asked: Collection | string | Where, text?: unknown, parameters?: SqlParameters) => LiveQuery<unknown>;

/** From now on every live query of `node` stands in the set while it is open. */
export function watch(node: Node): ReadonlySet<Watched> {
  const open = new Set<Watched>();
  const live = node.live.bind(node) as Open;
  const watching: Open = (asked, text, parameters) => {
    const opened = live(asked, text, parameters);
    const watched = { live: opened, ...askedFor(asked, text, parameters), isReady: false };
    open.add(watched);
    follow(watched, () => open.delete(watched));
    return opened;
  };
  Object.defineProperty(node, 'live', { value: watching });
  return open;
}

/** Notices that it is closed, or asks for something else. */
function follow(watched: Watched, closed: () => void): void {
  const { live } = watched;
  const close = live.close.bind(live);
  const reselect = live.reselect.bind(live);
  Object.defineProperty(live, 'close', {
    value: () => {
      closed();
      close();
    },
  });
  let asked = 0;
  let shown = 0;
  let waiting = 0;
  let hasAnswer = false;
  // While another selection is asked for nobody can say which of the two it shows.
  const settle = () => {
    watched.isReady = hasAnswer && waiting === 0;
  };
  live.ready.then(() => {
    hasAnswer = true;
    settle();
  }, closed);
  Object.defineProperty(live, 'reselect', {
    value: async (text: string | Where, parameters?: SqlParameters) => {
      asked += 1;
      const turn = asked;
      waiting += 1;
      settle();
      try {
        await reselect(text, parameters);
        // A later one may have been answered first: it stays.
        if (turn > shown) Object.assign(watched, selectionOf(text, parameters));
        shown = Math.max(shown, turn);
        hasAnswer = true;
      } finally {
        waiting -= 1;
        settle();
      }
    },
  });
}

function askedFor(asked: Collection | string | Where, text: unknown, parameters: SqlParameters | undefined) {
  if (typeof asked === 'string' || asked instanceof Where) {
    return { collection: null, ...selectionOf(asked, text as SqlParameters | undefined) };
  }
  return { collection: asked, ...selectionOf((text ?? '') as string | Where, parameters) };
}

function selectionOf(text: string | Where, parameters: SqlParameters = []) {
  return text instanceof Where ? { text: text.text, parameters: text.parameters } : { text, parameters };
}
