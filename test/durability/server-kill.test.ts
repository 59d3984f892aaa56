/**
 * The server is killed at random moments under 50 clients that write: 300 times in all (a few under `npm test`), shared
 * over the file drivers of this runtime. After each restart the clients find their way back by themselves; what they
 * were told is settled is in the log once, what they had written is settled once, and each live query shows what the
 * server answers.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FileDriverName } from '../../storage/drivers/choose.ts';
import { createRandom, type Random, runs, seedFor } from '../support/random.ts';
import { type Asked, startAsked } from './asked.ts';
import type { AskedClients, ShownLive } from './asked-clients.ts';
import type { AskedServer, Selection, Shown } from './asked-server.ts';
import { checkFile } from './check.ts';
import type { Receipt } from './collections.ts';
import { FILE_DRIVERS, fileStorage } from './storages.ts';

const FILES = Math.ceil(runs(10) / FILE_DRIVERS.length);
const KILLS_PER_FILE = runs(30);
const PROCESSES = 2;
const CLIENTS_PER_PROCESS = 25;
/** The latest moment of a kill, after the clients began to write, or after the server began to open its file. */
const LATEST_WRITING_MS = 250;
const LATEST_OPENING_MS = 120;
/** For live queries to show what has come. */
const MAX_SHOWING_MS = 20_000;

let folder: string;
let started: Asked<never>[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tendril-server-kill-'));
});
afterEach(async () => {
  await Promise.all(started.map(({ kill }) => kill()));
  started = [];
  rmSync(folder, { recursive: true });
});

function startServer(): Asked<AskedServer> {
  const server = startAsked<AskedServer>('asked-server.ts');
  started.push(server as never);
  return server;
}

function startClients(): Asked<AskedClients> {
  const clients = startAsked<AskedClients>('asked-clients.ts');
  started.push(clients as never);
  return clients;
}

describe.each(FILE_DRIVERS)('%s', (driver) => {
  const random = createRandom(seedFor(`server kill, ${driver}`));

  test(`${FILES * KILLS_PER_FILE} kills of a server lose nothing, double nothing, and leave every live query right`, async () => {
    for (let number = 0; number < FILES; number += 1) {
      const receipts = await killInARow(driver, join(folder, `${number}.db`), random);
      await checkFile(fileStorage(driver, join(folder, `${number}.db`)), receipts);
    }
  });
});

/** Returns all that was acknowledged. */
async function killInARow(driver: FileDriverName, file: string, random: Random): Promise<readonly Receipt[]> {
  let server = startServer();
  const port = await server.ask('serve', driver, file, 0);
  const crowd = Array.from({ length: PROCESSES }, startClients);
  await Promise.all(
    crowd.map((clients, at) =>
      clients.ask('open', port, 1 + at * CLIENTS_PER_PROCESS, CLIENTS_PER_PROCESS, random.integer(2 ** 31)),
    ),
  );
  const receipts: Receipt[] = [];
  const logged = { stamps: new Set<number>(), position: 0 };
  for (let kill = 0; kill < KILLS_PER_FILE; kill += 1) {
    const next = startServer();
    await Promise.all(crowd.map((clients) => clients.ask('go')));
    await after(random.integer(LATEST_WRITING_MS));
    await server.kill();
    server = next;
    if (random.chance(0.2)) server = await killedWhileOpening(server, driver, file, port, random);
    await server.ask('serve', driver, file, port);
    await Promise.all(crowd.map((clients) => clients.ask('wake')));
    receipts.push(...(await Promise.all(crowd.map((clients) => clients.ask('stop')))).flat());
    await checkLog(server, logged, receipts);
    await checkLives(server, crowd);
  }
  await Promise.all([server, ...crowd].map(({ kill }) => kill()));
  return receipts;
}

async function killedWhileOpening(
  server: Asked<AskedServer>,
  driver: FileDriverName,
  file: string,
  port: number,
  random: Random,
): Promise<Asked<AskedServer>> {
  const next = startServer();
  void server.ask('serve', driver, file, port);
  await after(random.integer(LATEST_OPENING_MS));
  await server.kill();
  return next;
}

async function checkLog(
  server: Asked<AskedServer>,
  logged: { readonly stamps: Set<number>; position: number },
  receipts: readonly Receipt[],
): Promise<void> {
  const { stamps, position } = await server.ask('logged', logged.position);
  const twice = stamps.filter((stamp) => logged.stamps.has(stamp));
  for (const stamp of stamps) logged.stamps.add(stamp);
  expect(twice, 'no transaction stands twice').toEqual([]);
  expect(position, 'no position is lost').toBe(logged.stamps.size);
  logged.position = position;
  const lost = receipts.filter(({ stamp }) => !logged.stamps.has(stamp));
  expect(lost, 'what was acknowledged is there').toEqual([]);
  // Nobody writes now, and whoever wrote has waited for it.
  expect(receipts.length, 'what is there was acknowledged').toBe(logged.stamps.size);
}

/** A live query that does not show what the server answers. */
interface Wrong {
  readonly selection: Selection;
  readonly status: string;
  readonly missing: readonly Shown[];
  readonly surplus: readonly Shown[];
  readonly isMisplaced: boolean;
}

async function checkLives(server: Asked<AskedServer>, crowd: readonly Asked<AskedClients>[]): Promise<void> {
  for (const clients of crowd) {
    const selections = await clients.ask('selections');
    const answers = await server.ask('answers', selections);
    const wrong = async (): Promise<readonly Wrong[]> =>
      (await clients.ask('shown')).flatMap((live, at) => wrongOf(selections[at]!, live, answers[at]!));
    const deadline = performance.now() + MAX_SHOWING_MS;
    while (performance.now() < deadline && (await wrong()).length > 0) await after(20);
    expect(await wrong(), 'what live queries show is what the server answers').toEqual([]);
  }
}

function wrongOf(selection: Selection, { status, rows }: ShownLive, answer: readonly Shown[]): readonly Wrong[] {
  const [shown, right] = [rows, answer].map((each) => JSON.stringify(each));
  if (status === 'complete' && shown === right) return [];
  const without = (left: readonly Shown[], right: readonly Shown[]) => {
    const there = new Set(right.map(String));
    return left.filter((row) => !there.has(String(row)));
  };
  const [missing, surplus] = [without(answer, rows), without(rows, answer)];
  return [{ selection, status, missing, surplus, isMisplaced: missing.length + surplus.length === 0 }];
}
