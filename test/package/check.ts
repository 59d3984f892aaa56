/**
 * The package as its users get it: packed, installed into an empty project without the optional native driver, which must
 * only change what `report()` says; type-checked there, and run: one durable node, then a server and a client.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(import.meta.dirname, '../..');
const PROGRAMS = ['program.ts', 'collections.ts', 'server.ts', 'client.ts'];
/** What stands in the programs; another one is put in its place where it is taken. */
const PORT = 8_080;
const CLIENT_PRINTS = [
  'got: 12',
  'late: 1 1 1',
  'worst: SFO 1 12',
  'changed: 1',
  'live: complete 1 15',
  'drawn: 1',
  'drawn: 2',
  'change: 0 1 0 2',
  'next: LAX',
  'change: 2 0 0 0',
  'plan: true',
  'report: ephemeral connected',
];

const project = mkdtempSync(join(tmpdir(), 'tendril-package-'));
const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: project, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });

try {
  await install();
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2023,dom', '--types', ''];
  run(join(ROOT, 'node_modules/.bin/tsc'), ...options, ...PROGRAMS);
  const printed = run(process.execPath, 'program.js');
  process.stdout.write(printed);
  if (!printed.endsWith('SFO,LAX\n')) throw new Error('the program printed something else than it should');
  await runServerAndClient();
} finally {
  rmSync(project, { recursive: true });
}

async function install(): Promise<void> {
  execFileSync('npm', ['pack', '--pack-destination', project], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  const tarball = readdirSync(project).find((name) => name.endsWith('.tgz')) ?? '';
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'an-empty-project', type: 'module' }));
  const port = await portToUse();
  for (const name of PROGRAMS) {
    const program = readFileSync(join(import.meta.dirname, `${name}.txt`), 'utf8');
    writeFileSync(join(project, name), program.replaceAll(String(PORT), String(port)));
  }
  run('npm', 'install', '--omit=optional', '--no-audit', '--no-fund', `./${tarball}`);
}

/** The server is ended as it would be anywhere: by a signal. */
async function runServerAndClient(): Promise<void> {
  const server = spawn(process.execPath, ['server.js'], { cwd: project, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    console.log(await firstLine(server));
    const printed = run(process.execPath, 'client.js');
    process.stdout.write(printed);
    if (printed !== `${CLIENT_PRINTS.join('\n')}\n`)
      throw new Error('the client printed something else than it should');
  } finally {
    const exited = once(server, 'exit');
    if (server.kill()) await exited;
  }
}

async function firstLine(server: ChildProcess): Promise<string> {
  const [line] = await Promise.race([
    once(createInterface({ input: server.stdout! }), 'line'),
    once(server, 'exit').then(() => {
      throw new Error('the server ended before it listened');
    }),
  ]);
  return line as string;
}

/** PORT, or any that is free. */
async function portToUse(): Promise<number> {
  for (const port of [PORT, 0]) {
    const probe = createServer().listen(port, '127.0.0.1');
    const isFree = await once(probe, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    const { port: found } = probe.address() as { readonly port: number };
    probe.close();
    return found;
  }
  throw new Error('no port is free');
}
