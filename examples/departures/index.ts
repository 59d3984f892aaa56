/**
 * Departures: three processes, one system. This one is the server: a durable Node into which real flights are written. It
 * starts two board processes, which follow it over WebSocket: the hall shows, the desk edits delays as well.
 *
 *     npm run demo                          50,000 flights in about a minute
 *     npm run demo -- --flights 3000000     all of them, as fast as they go
 *
 * In the middle the desk's cable is pulled out for ten seconds, while both sides go on writing.
 * Ends by comparing every board of both with the server's SQL; the exit code is 0 only if all are equal.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sqliteFile } from '../../bindings/node/index.ts';
import { serve } from '../../bindings/server/index.ts';
import { Node } from '../../index.ts';
import { BoardHost } from './board-host.ts';
import { BOARDS, drawBoard } from './boards.ts';
import { Cable } from './cable.ts';
import { compare } from './check.ts';
import { Airport, Flight } from './collections.ts';
import { feedFlights, importAirports } from './feed.ts';
import { MAX_LIVE_MS, nowMs, percentile } from './latency.ts';
import { Screen } from './screen.ts';
import { Timetable } from './timetable.ts';

const DEFAULT_FLIGHTS = 50_000;
/** Flights a second, so that the default run can be watched; 0 is as fast as they go. */
const WATCHABLE_RATE = 1_000;
/** For how long the desk is cut off. */
const CUT_MS = 10_000;

const { values } = parseArgs({
  options: { flights: { type: 'string' }, rate: { type: 'string' }, file: { type: 'string' } },
});
const total = Number(values.flights ?? DEFAULT_FLIGHTS);
const rate = Number(values.rate ?? (values.flights === undefined ? WATCHABLE_RATE : 0));
const screen = new Screen(process.stdout);

const folder = await mkdtemp(join(tmpdir(), 'tendril-departures-'));
const node = await Node.open({
  role: 'durable',
  collections: [Airport, Flight],
  storage: sqliteFile(values.file ?? join(folder, 'departures.db')),
});
const server = await serve(node, { access: 'open' });
const hall = new BoardHost('hall', server.url);
const cable = await Cable.to(server.url);
const desk = new BoardHost('desk', cable.url);
try {
  const names = await importAirports(node);
  screen.line(`${names.size.toLocaleString('en')} airports in one transaction`);
  await Promise.all([hall.ready(), desk.ready()]);
  screen.line(`two board processes follow ${server.url}`);
  await Promise.race([writeFlights(names), hall.failed, desk.failed]);
  process.exitCode = (await endEqual()) ? 0 : 1;
} finally {
  await Promise.all([hall.end(), desk.end()]);
  await cable.close();
  await server.close();
  await node.close();
  await rm(folder, { recursive: true });
}

async function writeFlights(names: ReadonlyMap<string, string>): Promise<void> {
  const startedAt = nowMs();
  const seconds = () => (nowMs() - startedAt) / 1_000;
  const timetable = new Timetable({ total, rate, cutMs: CUT_MS });
  const intervalAfter = (done: number) => timetable.intervalAfter(done);
  await feedFlights(node, names, { total, intervalAfter }, (done) => {
    cutOff(done, timetable);
    const label = `flights, ${Math.round(done / seconds()).toLocaleString('en')} a second`;
    screen.progress(done, total, label, () => hall.drawing);
  });
  const { driver } = node.report();
  const written = `${total.toLocaleString('en')} flights in ${seconds().toFixed(1)} s`;
  screen.line(`${written} on ${driver.name} (${driver.kind})`);
}

function cutOff(done: number, { cutFrom, cutTo }: Timetable): void {
  const isOut = done >= cutFrom && done < cutTo;
  if (isOut === cable.isPulled) return;
  if (isOut) cable.pull();
  else cable.plug();
  screen.line(isOut ? "the desk's cable is pulled out, and both sides write on" : 'it is plugged in again');
}

/** Lets everybody come to rest, then compares. True if all boards are equal. */
async function endEqual(): Promise<boolean> {
  const edits = await desk.rest();
  const outcomes = await Promise.all([hall.show(), desk.show()]);
  for (const [index, board] of BOARDS.entries()) screen.line(`\n${drawBoard(board, outcomes[0].rows[index] ?? [])}`);
  reportFigures(
    edits,
    outcomes.flatMap(({ latencies }) => latencies),
  );
  let isEqual = true;
  for (const [index, { name }] of [hall, desk].entries()) {
    for (const board of await compare(node, outcomes[index]!)) {
      screen.line(`${board.isEqual ? 'equal    ' : 'DIFFERENT'}  ${name}: ${board.title}: ${board.rows} rows`);
      isEqual &&= board.isEqual;
    }
  }
  return isEqual;
}

function reportFigures(edits: number, latencies: readonly number[]): void {
  const { framesSent, bytesSent } = server.report().traffic;
  const live = latencies.filter((latency) => latency <= MAX_LIVE_MS);
  const [p50, p99] = [percentile(live, 0.5).toFixed(2), percentile(live, 0.99).toFixed(2)];
  const sent = `${framesSent.toLocaleString('en')} frames, ${bytesSent.toLocaleString('en')} bytes sent to both`;
  screen.line(`\n${edits.toLocaleString('en')} delays edited at the desk; ${sent}`);
  const late = latencies.filter((latency) => latency > MAX_LIVE_MS).length;
  const changes = `${latencies.length.toLocaleString('en')} changes, ${late} of them caught up with after the cut`;
  screen.line(`commit to callback in another process: p50 ${p50} ms, p99 ${p99} ms over ${changes}`);
}
