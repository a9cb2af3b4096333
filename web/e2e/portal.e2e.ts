import { execFileSync } from 'node:child_process';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { inspect, Journey, launch, open, signIn } from './browser.ts';

const tollgate = inject('tollgate');

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

it('D3: from the catalogue to a key of one’s own, in three clicks', async () => {
  const { context, page, complaints } = await open(browser, tollgate.portal);
  await page.goto('/');
  const journey = new Journey('D3');
  await journey.click(page.getByRole('link', { name: /^Subscribe to .*Free/ }).first());
  await page.getByLabel('Your name').fill('Grace');
  await page.getByLabel('E-mail').fill(`grace-${Date.now()}@app.example`);
  await page.getByRole('textbox', { name: 'Password' }).fill('a long enough password');
  await journey.click(page.getByRole('button', { name: 'Create account' }));
  await journey.click(page.getByRole('button', { name: 'Subscribe and get a key' }));
  await page.getByRole('button', { name: 'Show the key' }).waitFor();
  journey.end({ clicks: 3, seconds: 60 });

  const curl = await page
    .getByRole('region', { name: /^a curl command/ })
    .locator('code')
    .innerText();
  const status = execFileSync('sh', ['-c', `${curl} -s -o /dev/null -w '%{http_code}'`], { encoding: 'utf8' });
  expect(status).toMatch(/200$/);
  expect(complaints).toEqual([]);
  await context.close();
});

it('D7: a key is rotated and the value before works on for the grace time', async () => {
  const { context, page } = await open(browser, tollgate.portal);
  await signIn(page, tollgate.portal_user);
  await page.goto('/subscriptions');
  const journey = new Journey('D7');
  await journey.click(page.getByRole('button', { name: 'Rotate' }).first());
  await journey.click(page.getByRole('button', { name: 'Rotate now' }));
  await page.getByText('The value before works until').waitFor();
  await journey.click(page.getByRole('button', { name: 'Copy the key' }).first());
  journey.end({ clicks: 3, seconds: 30 });
  // The line printed at the start carries the value before.
  const status = execFileSync('sh', ['-c', `${tollgate.sample.curl} -s -o /dev/null -w '%{http_code}'`], {
    encoding: 'utf8',
  });
  expect(status).toMatch(/200$/);
  await context.close();
});

it('axe finds nothing on any screen, light and dark, wide and narrow', async () => {
  const { context, page } = await open(browser, tollgate.portal);
  await signIn(page, tollgate.portal_user);
  await page.goto('/');
  const subscribe = await page
    .getByRole('link', { name: /^Subscribe to/ })
    .first()
    .getAttribute('href');
  const storage = await context.storageState();
  await context.close();
  await inspect(browser, tollgate.portal, [
    { name: 'portal-catalogue', path: '/', ready: (at) => at.getByRole('link', { name: /^Subscribe to/ }) },
    { name: 'portal-sign-in', path: '/sign-in', ready: (at) => at.getByRole('button', { name: 'Sign in' }) },
    { name: 'portal-sign-up', path: '/sign-up', ready: (at) => at.getByRole('button', { name: 'Create account' }) },
  ]);
  await inspect(
    browser,
    tollgate.portal,
    [
      {
        name: 'portal-subscriptions',
        path: '/subscriptions',
        ready: (at) => at.getByRole('button', { name: 'Rotate' }),
      },
      { name: 'portal-subscribe', path: subscribe ?? '', ready: (at) => at.getByRole('button', { name: /get a key/ }) },
    ],
    storage,
  );
}, 120_000);
