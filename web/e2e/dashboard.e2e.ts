import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { Journey, launch, open, paste, signIn } from './browser.ts';

const tollgate = inject('tollgate');
const MUSEUM = readFileSync(
  new URL('../../services/apidef/tests/fixtures/redocly-museum.yaml', import.meta.url),
  'utf8',
);

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

async function signedIn() {
  const opened = await open(browser, tollgate.console);
  await signIn(opened.page, tollgate.user);
  return opened;
}

it('a wrong password is said so, the right one leads to where one wanted to be', async () => {
  const { context, page } = await open(browser, tollgate.console);
  await page.goto('/apis?q=x');
  await page.getByLabel('E-mail').fill(tollgate.user.email);
  await page.getByRole('textbox', { name: 'Password' }).fill('not the password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByRole('textbox', { name: 'Password' }).fill(tollgate.user.password);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/apis?q=x');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL('**/sign-in');
  await context.close();
});

it('a new organization signs up and is shown its next step', async () => {
  const { context, page } = await open(browser, tollgate.console);
  await page.goto('/sign-up');
  await page.getByLabel('Organization').fill('Fabrikam');
  await page.getByLabel('E-mail').fill(`owner-${Date.now()}@fabrikam.example`);
  await page.getByRole('textbox', { name: 'Password' }).fill('a long enough password');
  await page.getByRole('button', { name: 'Create organization' }).click();
  await page.getByRole('heading', { name: 'Publish your first API' }).waitFor();
  await context.close();
});

it('a call made with the printed curl line is on the overview within five seconds', async () => {
  const { context, page } = await signedIn();
  await page.goto('/?range=1h');
  execFileSync('sh', ['-c', tollgate.sample.curl], { stdio: 'ignore' });
  await page.getByRole('term').filter({ hasText: 'Calls' }).waitFor();
  const calls = async () => Number((await page.getByTestId('calls').innerText()).replaceAll(',', ''));
  const before = await calls();
  const started = performance.now();
  for (let call = 0; call < 3; call += 1) execFileSync('sh', ['-c', tollgate.sample.curl], { stdio: 'ignore' });
  await expect.poll(calls, { timeout: 10_000, interval: 100 }).toBeGreaterThanOrEqual(before + 3);
  const seconds = (performance.now() - started) / 1000;
  process.stdout.write(`calls on the overview after ${seconds.toFixed(1)} s\n`);
  expect(seconds).toBeLessThan(5);
  await context.close();
});

it('P2: an API of one’s own by paste, in three clicks', async () => {
  const { context, page, complaints } = await signedIn();
  const journey = new Journey('P2');
  await journey.click(page.getByRole('link', { name: 'New API' }));
  await journey.click(page.getByRole('link', { name: 'Paste' }));
  await paste(page, MUSEUM);
  await expect.poll(() => page.getByLabel('Name', { exact: true }).inputValue()).toBe('Redocly Museum API');
  expect(await page.getByLabel('Upstream URL').inputValue()).toBe('https://redocly.com/_mock/docs/openapi/museum-api');
  await journey.click(page.getByRole('button', { name: 'Import and deploy' }));
  await page.getByRole('heading', { name: /Redocly Museum API is live/ }).waitFor();
  journey.end({ clicks: 3, seconds: 90 });

  await page.getByRole('link', { name: 'Open the API' }).click();
  await page.getByText('/museum-hours', { exact: true }).waitFor();
  await page.getByLabel('Search operations by path, method or name').fill('post');
  await page.waitForURL('**/apis/*?q=post');
  await expect.poll(() => page.getByText('/museum-hours', { exact: true }).count()).toBe(0);
  expect(complaints).toEqual([]);
  await context.close();
});

it('the backend sees the secret header of an import, and not the caller’s', async () => {
  const seen: IncomingHttpHeaders[] = [];
  const backend = createServer((request, response) => {
    seen.push(request.headers);
    response.end('[]');
  });
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  const { context, page, complaints } = await signedIn();
  await page.goto('/apis/import?from=paste');
  await paste(page, MUSEUM);
  await page.getByLabel('Upstream URL').fill(`http://127.0.0.1:${(backend.address() as AddressInfo).port}`);
  await page.getByLabel('Header name').fill('Host');
  await page.getByRole('textbox', { name: 'Header value' }).fill('s3cret of the gateway');
  expect(await page.getByRole('textbox', { name: 'Header value' }).getAttribute('type')).toBe('password');
  await page.getByLabel('Calls need an API key').uncheck();
  const submit = page.getByRole('button', { name: 'Import and deploy' });
  await submit.click();
  expect(await page.getByRole('alert').innerText()).toMatch(/Header name: /);
  await page.getByLabel('Header name').fill('X-Gateway-Secret');
  await submit.click();
  await page.getByRole('heading', { name: /is live/ }).waitFor();
  const invokeUrl = await page.getByRole('region', { name: 'the invoke URL' }).innerText();
  const answer = await fetch(`${invokeUrl}/museum-hours`, { headers: { 'x-gateway-secret': 'forged' } });
  expect(answer.status).toBe(200);
  expect(seen.map((headers) => headers['x-gateway-secret'])).toEqual(['s3cret of the gateway']);
  expect(complaints).toEqual([]);
  await context.close();
  await new Promise((resolve) => backend.close(resolve));
});

it('a broken document names line and reason and changes nothing', async () => {
  const { context, page } = await signedIn();
  await page.goto('/apis');
  await page.getByRole('row').nth(1).waitFor();
  const before = await page.getByRole('row').count();
  await page.goto('/apis/import?from=paste');
  await paste(
    page,
    'openapi: 3.0.0\ninfo:\n  title: Broken\n  version: "1"\npaths:\n  /a:\n    get: [not, an, operation\n',
  );
  await page.getByRole('button', { name: 'Import and deploy' }).click();
  const alert = page.getByRole('alert');
  await alert.waitFor();
  expect(await alert.innerText()).toMatch(/line \d+/);
  await page.goto('/apis');
  await page.getByRole('row').nth(1).waitFor();
  expect(await page.getByRole('row').count()).toBe(before);
  await context.close();
});

it('an API is imported with the keyboard alone', async () => {
  const { context, page } = await signedIn();
  await page.goto('/apis/import?from=url');
  await page.getByLabel('Address of the document').focus();
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/apis/import?from=paste');
  await page.getByRole('textbox', { name: 'OpenAPI document, JSON or YAML' }).waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.insertText(MUSEUM);
  for (const label of ['Name', 'Stage', 'Upstream URL']) {
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => (document.activeElement as HTMLInputElement).labels?.[0]?.innerText)).toBe(label);
  }
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /is live/ }).waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toMatch(/is live/);
  await context.close();
});

it('a failure shows its request id and can be tried again', async () => {
  const { context, page } = await signedIn();
  await page.route('**/graphql', (route) =>
    route.fulfill({
      status: 503,
      contentType: 'application/problem+json',
      body: JSON.stringify({
        title: 'unavailable',
        status: 503,
        code: 'unavailable',
        request_id: 'req_0199f3c2a7b57d10',
      }),
    }),
  );
  await page.goto('/apis');
  await page.getByText('req_0199f3c2a7b57d10').first().waitFor();
  await page.unroute('**/graphql');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('table').waitFor();
  await context.close();
});
