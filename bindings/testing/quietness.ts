/** Quietness: whether anything still moves in a world. */
import type { Network } from './network.ts';
import type { SimulatedNode } from './simulated-node.ts';

export function isQuiet(nodes: Iterable<SimulatedNode>, network: Network): boolean {
  return unquiet(nodes, network) === null;
}

/** What moves, for messages; null if nothing does. */
export function unquiet(nodes: Iterable<SimulatedNode>, network: Network): string | null {
  if (!network.isIdle()) return 'frames are under way';
  for (const node of nodes) {
    const what = unquietNode(node, network);
    if (what !== null) return `${node.name} ${what}`;
  }
  return null;
}

function unquietNode(node: SimulatedNode, network: Network): string | null {
  const { upstream } = node;
  if (node.node === null) return null;
  if (node.isAwaitingTurn) return 'has a turn to take';
  if (upstream === null || upstream.node === null || !network.isFree(node.name, upstream.name)) return null;
  const { state, outbox, error } = node.node.report().upstream!;
  if (state !== 'connected') return `is ${state} (${String(error)})`;
  // A process that ended without a word is taken for alive until its silence is noticed; nothing is told meanwhile.
  if (!network.isLinked(node.name, upstream.name)) return 'is in a session whose other side is gone';
  if (outbox.transactions > 0) return `has ${outbox.transactions} transactions pending`;
  for (const { live, text } of node.watched) {
    if (live.status !== 'complete' && live.status !== 'denied') return `has a live query ${live.status}: [${text}]`;
  }
  return null;
}
