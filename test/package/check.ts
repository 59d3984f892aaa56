/**
 * The package as its users get it: packed, installed into an empty project, type-checked there and run.
 * Once with everything, and once without the optional native driver, which must only change what `report()` says.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const project = mkdtempSync(join(tmpdir(), 'tendril-package-'));
const run = (command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd: project, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });

try {
  execFileSync('npm', ['pack', '--pack-destination', project], { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
  const tarball = readdirSync(project).find((name) => name.endsWith('.tgz')) ?? '';
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'an-empty-project', type: 'module' }));
  cpSync(join(import.meta.dirname, 'program.ts.txt'), join(project, 'program.ts'));

  run('npm', 'install', '--omit=optional', '--no-audit', '--no-fund', `./${tarball}`);
  const compiler = join(ROOT, 'node_modules/.bin/tsc');
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2023,dom', '--types', ''];
  run(compiler, ...options, 'program.ts');
  const printed = run(process.execPath, 'program.js');
  process.stdout.write(printed);
  if (!printed.endsWith('SFO,LAX\n')) throw new Error('the program printed something else than it should');
} finally {
  rmSync(project, { recursive: true });
}
