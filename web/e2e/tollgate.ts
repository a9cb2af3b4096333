/**
 * The Tollgate that the tests run against: the one whose JSON line is in the file `TOLLGATE_JSON`, else one of our own,
 * started on free ports with a fresh data directory from `TOLLGATE_BIN` (default: the newest build in target/).
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

export type Tollgate = {
  gateway: string;
  console: string;
  portal: string;
  graphql: string;
  mail_inbox: string;
  token: string;
  tenant: string;
  user: { email: string; password: string };
  portal_user: { email: string; password: string };
  sample: { api_id: string; stage: string; url: string; api_key: string; curl: string };
};

declare module 'vitest' {
  // oxlint-disable-next-line typescript/consistent-type-definitions -- vitest's types are extended by merging
  export interface ProvidedContext {
    tollgate: Tollgate;
  }
}

export default async function setup({ provide }: TestProject) {
  const file = process.env.TOLLGATE_JSON;
  if (file) {
    provide('tollgate', JSON.parse(readFileSync(file, 'utf8')) as Tollgate);
    return undefined;
  }
  const data = mkdtempSync(join(tmpdir(), 'tollgate-e2e-'));
  const ports = ['--gateway-port', '0', '--console-port', '0', '--portal-port', '0'];
  const server = spawn(binary(), ['up', '--data-dir', data, ...ports, '--output', 'json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  provide('tollgate', await firstLine(server.stdout, ended));
  return async () => {
    server.kill('SIGINT');
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
}

function binary(): string {
  if (process.env.TOLLGATE_BIN) return process.env.TOLLGATE_BIN;
  const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('../../target', import.meta.url));
  const builds = ['debug', 'release'].map((profile) => join(target, profile, 'tollgate')).filter(existsSync);
  const newest = builds.toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
  if (!newest) throw new Error('build Tollgate first (cargo build), or name a running one in TOLLGATE_JSON');
  return newest;
}

async function firstLine(stdout: NodeJS.ReadableStream, ended: Promise<void>): Promise<Tollgate> {
  const line = new Promise<string>((resolve) => createInterface({ input: stdout }).once('line', resolve));
  const first = await Promise.race([line, ended]);
  if (!first) throw new Error('tollgate up ended before it was ready');
  return JSON.parse(first) as Tollgate;
}
