// Writes a Brotli and a gzip copy beside each file of the builds that shrinks, so that the executable embeds them ready to send.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const SHRINKS = /\.(html|js|css|svg|json)$/;

for (const app of ['dashboard', 'portal']) {
  const dist = new URL(`apps/${app}/dist/`, import.meta.url);
  for (const name of readdirSync(dist, { recursive: true })) {
    if (!SHRINKS.test(name) || name.startsWith('.')) continue;
    const content = readFileSync(new URL(name, dist));
    const brotli = brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } });
    const gzip = gzipSync(content, { level: 9 });
    if (brotli.length < content.length) writeFileSync(new URL(`${name}.br`, dist), brotli);
    if (gzip.length < content.length) writeFileSync(new URL(`${name}.gz`, dist), gzip);
  }
}
