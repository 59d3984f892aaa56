/**
 * A storage that fails at call n, during all that an ephemeral node does with its file: whatever it was that failed, what the
 * node has in memory is what another one reads from the file. `npm test` takes every tenth call.
 */
import { expect, test } from 'vitest';
import { openEphemeral } from '../../engine/open-ephemeral.ts';
import { idFrom, TendrilError } from '../../index.ts';
import type { EntityId, Storage } from '../../storage/index.ts';
import { diskStorage } from '../durability/disk-storage.ts';
import { type DriverFault, faultyDriver } from '../support/faulty-driver.ts';
import { createForgetfulDisk } from '../support/forgetful-disk.ts';
import { createTestClock, createTestRandom, createTestScheduler } from '../support/ports.ts';
import { createRandom, runs, seedFor } from '../support/random.ts';
import { GatedUpstream, quiet } from './gated-upstream.ts';
import { COLLECTIONS, createWorld, Note, refusing, type World } from './world.ts';

/** From one failing call to the next that is tried. */
const STEP = 10 / runs(10);
const WAYS: readonly Omit<DriverFault, 'at'>[] = [
  { code: 'SQLITE_IOERR', rollsBack: true },
  { code: 'SQLITE_FULL', rollsBack: false },
];
const [A, B, C, NEW] = ['a', 'b', 'c', 'new'].map((name) => idFrom('note', name)) as unknown as [
  EntityId,
  EntityId,
  EntityId,
  EntityId,
];

const random = createRandom(seedFor('restart-faults'));

type Opened = Awaited<ReturnType<typeof openEphemeral>>;

interface Player {
  readonly opened: Opened;
  readonly upstream: GatedUpstream;
}

async function player(world: World, storage: Storage): Promise<Player> {
  const upstream = new GatedUpstream(() => world.authority);
  upstream.isReachable = false;
  const ports = { clock: createTestClock(), scheduler: createTestScheduler(), random: createTestRandom(7) };
  const options = { collections: COLLECTIONS, storage, ports, onError: () => undefined };
  const opened = await openEphemeral({ ...options, upstream }, upstream);
  await quiet(upstream);
  return { opened, upstream };
}

/** What fails, fails typed. */
async function attempt(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    expect(error, String(error)).toBeInstanceOf(TendrilError);
  }
}

/** Everything that a node writes to its file: offline writes, a session, an outcome of each kind, what comes, goes and is given up. */
async function play({ authority }: World, { opened, upstream }: Player): Promise<void> {
  const { transactor, replica, live, core, answers } = opened;
  const entry = core.catalog.entryOf(Note);
  const write = (id: EntityId, title: string) =>
    attempt(() => transactor.transact((tx) => tx.update(Note, id, { title })));
  const connect = async () => {
    upstream.isReachable = true;
    await attempt(() => replica.connection.connect());
    await quiet(upstream);
  };
  await attempt(() => transactor.transact((tx) => tx.create(Note, { title: 'new' }, { id: NEW })));
  await write(NEW, 'newer');
  await connect();
  await attempt(() => live(entry, 'ORDER BY stars DESC LIMIT 2').ready);
  await attempt(() => answers.get(entry, B, {}));
  let uploads = 0;
  upstream.judge = (upload) => {
    uploads += 1;
    return uploads % 2 === 0 ? refusing(() => true)(upload) : null;
  };
  await write(C, 'settled');
  await write(C, 'refused');
  await quiet(upstream);
  await authority.transact((tx) => {
    tx.delete(Note, C);
    tx.update(Note, B, { title: 'changed' });
    tx.update(Note, A, { stars: 50 });
  });
  await quiet(upstream);
  upstream.holdUploads = true;
  await write(A, 'pending');
  await quiet(upstream);
}

/** What must be equal in memory and in the file. */
function stateOf({ opened }: Player) {
  const { outbox, overlay, following, heldIds, standing, kept } = opened.replica;
  const pending = outbox.inOrder().map(({ transaction, attempt, rebases, state, operations }) => {
    return { transaction, attempt, rebases, state, ids: operations.map(({ operation }) => operation.id) };
  });
  const keys = [
    ...new Set(outbox.inOrder().flatMap(({ operations }) => operations.map((each) => each.operation.entity))),
  ];
  const bases = keys.map((id) => {
    const { row, shown, hasLeft } = overlay.baseOf(`${id}note`)!;
    // Of no row nobody asks whether it left.
    return { row, shown, hasLeft: row !== null && hasLeft };
  });
  const selections = [...following.withRows()].map(({ asked, shownEdge }) => `${asked.text} ${shownEdge}`).sort();
  const ids = [...heldIds.all()].flatMap(({ id, state }) => (state === 'known' ? [id] : [])).sort();
  const rows = opened.core.driver.all('SELECT * FROM _note ORDER BY id');
  return { pending, bases, selections, ids, cursor: standing.kept, system: kept.system, rows };
}

test('the file has what memory has, whatever call failed', async () => {
  let reached = 0;
  for (let at = 1 + random.integer(STEP); ; at += STEP) {
    const way = random.pick(WAYS);
    const calls = await playWithFault({ at, ...way }).catch((error) => {
      throw new Error(`with the fault at call ${at}, ${JSON.stringify(way)}`, { cause: error });
    });
    if (calls < at) break;
    reached += 1;
  }
  expect(reached).toBeGreaterThan(10);
}, 300_000);

/** Returns the calls that there were. */
async function playWithFault(fault: DriverFault): Promise<number> {
  const world = await createWorld();
  await world.authority.transact((tx) => {
    for (const [stars, id] of [A, B, C].entries()) tx.create(Note, { title: `${stars}`, stars }, { id });
  });
  const disk = createForgetfulDisk();
  let calls = () => 0;
  const faulty: Storage = {
    open: async () => {
      const made = faultyDriver(await diskStorage(disk, 'wal').open(), fault);
      calls = made.calls;
      return made.driver;
    },
  };
  let ana: Player;
  try {
    ana = await player(world, faulty);
  } catch (error) {
    expect(error).toBeInstanceOf(TendrilError);
    return calls();
  }
  await play(world, ana);
  const made = calls();
  if (made < fault.at) return made;
  ana.upstream.cut();
  const inMemory = stateOf(ana);
  const read = await player(world, diskStorage(createForgetfulDisk(disk.image()), 'wal'));
  expect(stateOf(read)).toEqual(inMemory);
  for (const each of [ana, read]) each.opened.core.driver.close();
  return made;
}
