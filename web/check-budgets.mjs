// What a first visit loads must stay small: sums the gzipped scripts of an app's entry, the frame and the screen it opens.
import { existsSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BUDGETS = [
  { app: 'dashboard', screens: ['src/frame/Frame.tsx', 'src/overview/Overview.tsx'], kilobytes: 200 },
  { app: 'portal', screens: [], kilobytes: 150 },
];

let failed = false;
for (const { app, screens, kilobytes } of BUDGETS) {
  const dist = new URL(`apps/${app}/dist/`, import.meta.url);
  const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'));
  const files = new Set();
  for (const screen of ['index.html', ...screens]) collect(manifest, screen, files);
  const size = [...files].reduce((sum, file) => sum + gzipSync(readFileSync(new URL(file, dist))).length, 0) / 1000;
  const verdict = size <= kilobytes ? 'within' : 'OVER';
  process.stdout.write(`${app}: first visit ${size.toFixed(1)} kB of gzipped script, ${verdict} ${kilobytes} kB\n`);
  failed ||= size > kilobytes;
  if (!existsSync(new URL('index.html', dist))) throw new Error(`${app} has no index.html`);
}
process.exitCode = failed ? 1 : 0;

function collect(manifest, name, files) {
  const chunk = manifest[name];
  if (!chunk) throw new Error(`the build has no chunk ${name}`);
  if (files.has(chunk.file)) return;
  if (chunk.file.endsWith('.js')) files.add(chunk.file);
  for (const needed of chunk.imports ?? []) collect(manifest, needed, files);
}
