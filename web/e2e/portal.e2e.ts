import { execFileSync } from 'node:child_process';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { mailedLink, mutate } from './admin.ts';
import { Journey, launch, open, signIn } from './browser.ts';

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
  // The new key is shown at once, nothing more is to be clicked.
  await page.getByRole('button', { name: 'Show the key', pressed: true }).waitFor();
  journey.end({ clicks: 3, seconds: 60 });

  const curl = await page
    .getByRole('region', { name: /^a curl command/ })
    .locator('code')
    .innerText();
  const status = execFileSync('sh', ['-c', `${curl} -s -o /dev/null -w '%{http_code}'`], { encoding: 'utf8' });
  expect(status).toMatch(/200$/);
  expect(complaints).toEqual([]);

  // Asked for later, it is hidden in both places until it is shown.
  await page.goto('/subscriptions');
  await page.getByRole('button', { name: 'Show the key', pressed: false }).waitFor();
  expect(await page.getByRole('main').innerText()).not.toContain(/x-api-key: ([^']+)/.exec(curl)?.[1]);
  await context.close();
});

it('an invited developer chooses a password by the link in the mail, once', async () => {
  const email = `zoe-${Date.now()}@app.example`;
  await mutate(tollgate, 'developerCreate', { email, name: 'Zoë' }, 'developer { id }');
  const link = new URL(await mailedLink(tollgate, email));
  const { context, page, complaints } = await open(browser, link.origin);
  const journey = new Journey('invited developer');
  await page.goto(link.href);
  const password = page.getByRole('textbox', { name: 'New password' });
  const submit = page.getByRole('button', { name: 'Set the password and sign in' });
  await password.fill('short');
  await submit.click();
  await page.getByText(/must have 10 to 200 characters/i).waitFor();
  await password.fill('a long enough password');
  await journey.click(submit);
  await page.getByRole('heading', { name: 'No subscription yet' }).waitFor();
  journey.end({ clicks: 1, seconds: 30 });
  expect(page.url()).not.toContain('token');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('link', { name: 'Sign in' }).waitFor();
  await page.goto(link.href);
  await password.fill('another long password');
  await submit.click();
  await page.getByRole('heading', { name: 'This link works no more' }).waitFor();
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
  await page.getByLabel('E-mail').fill(email);
  await page.getByRole('textbox', { name: 'Password' }).fill('a long enough password');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'No subscription yet' }).waitFor();
  // The weak password and the used link were refused, as they should be.
  expect(complaints.filter((complaint) => !/status of (400|404|422)/.test(complaint))).toEqual([]);
  await context.close();
});

it('D7: a key is rotated and the value before works on for the grace time', async () => {
  const { context, page } = await open(browser, tollgate.portal);
  await signIn(page, tollgate.portal_user);
  await page.goto('/subscriptions');
  const journey = new Journey('D7');
  await journey.click(page.getByRole('button', { name: 'Rotate' }).first());
  await journey.click(page.getByRole('button', { name: 'Rotate now' }));
  await page.getByText('The previous key works until').waitFor();
  await journey.click(page.getByRole('button', { name: 'Copy the key' }).first());
  journey.end({ clicks: 3, seconds: 30 });
  // The line printed at the start carries the value before.
  const status = execFileSync('sh', ['-c', `${tollgate.sample.curl} -s -o /dev/null -w '%{http_code}'`], {
    encoding: 'utf8',
  });
  expect(status).toMatch(/200$/);
  await context.close();
});
