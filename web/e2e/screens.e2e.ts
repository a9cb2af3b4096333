import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, inject, it, vi } from 'vitest';
import { mailedLink, mutate } from './admin.ts';
import { inspect, launch, open, paste, type Screen, signIn } from './browser.ts';

const tollgate = inject('tollgate');
const { console: dashboard, portal } = tollgate;

// One screen after another in six views.
vi.setConfig({ testTimeout: 300_000 });

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

/** The screens' data never comes. */
const stall = (page: Page) => page.route(/\/(graphql|api\/(catalog|subscriptions))$/, () => new Promise(() => {}));

/** The screens' data cannot be had. */
const fail = (page: Page) =>
  page.route(/\/(graphql|api\/(catalog|subscriptions))$/, (route) =>
    route.fulfill({
      status: 503,
      contentType: 'application/problem+json',
      body: JSON.stringify({
        title: 'unavailable',
        detail: 'the database cannot be reached',
        status: 503,
        code: 'unavailable',
        request_id: 'req_0199f3c2a7b57d10',
      }),
    }),
  );

const wrongPassword = async (page: Page) => {
  await page.getByLabel('E-mail').fill('nobody@example.com');
  await page.getByRole('textbox', { name: 'Password' }).fill('not the password');
  await page.getByRole('button', { name: 'Sign in' }).click();
};

/** What a browser keeps after `enter` has signed it in. */
async function session(base: string, enter: (page: Page) => Promise<unknown>) {
  const { context, page } = await open(browser, base);
  await enter(page);
  const storage = await context.storageState();
  await context.close();
  return storage;
}

it('axe finds nothing before the sign-in to the dashboard', async () => {
  await inspect(browser, dashboard, [
    { name: 'sign-in', path: '/sign-in', ready: (at) => at.getByRole('button', { name: 'Sign in' }) },
    {
      name: 'sign-in-wrong',
      path: '/sign-in',
      act: wrongPassword,
      ready: (at) => at.getByRole('alert'),
      refused: true,
    },
    { name: 'sign-up', path: '/sign-up', ready: (at) => at.getByRole('button', { name: 'Create organization' }) },
    {
      name: 'sign-up-weak',
      path: '/sign-up',
      act: async (page) => {
        await page.getByLabel('Organization').fill('Fabrikam');
        await page.getByLabel('E-mail').fill('owner@fabrikam.example');
        await page.getByRole('textbox', { name: 'Password' }).fill('short');
        await page.getByRole('button', { name: 'Create organization' }).click();
      },
      ready: (at) => at.getByText(/must have 10 to 200 characters/i),
      refused: true,
    },
  ]);
});

it('axe finds nothing on the screens of a new organization', async () => {
  const storage = await session(dashboard, async (page) => {
    await page.goto('/sign-up');
    await page.getByLabel('Organization').fill('An organization with quite a long name');
    await page.getByLabel('E-mail').fill(`somebody-with-a-long-name-${Date.now()}@contoso.example`);
    await page.getByRole('textbox', { name: 'Password' }).fill('a long enough password');
    await page.getByRole('button', { name: 'Create organization' }).click();
    await page.getByRole('heading', { name: 'Publish your first API' }).waitFor();
  });
  await inspect(
    browser,
    dashboard,
    [
      { name: 'overview-new', path: '/', ready: (at) => at.getByText('Publish your first API') },
      { name: 'apis-new', path: '/apis', ready: (at) => at.getByText('No API yet') },
    ],
    storage,
  );
});

it('axe finds nothing on the overview and the lists', async () => {
  for (const path of ['/stations', '/stations', '/nowhere', '/stations/harbour/forecast']) {
    await fetch(tollgate.sample.url + path, { headers: { 'x-api-key': tollgate.sample.api_key } });
  }
  await inspect(
    browser,
    dashboard,
    [
      { name: 'overview', path: '/?range=1h', ready: (at) => at.getByTestId('calls') },
      { name: 'overview-keys', path: '/?range=7d&by=key&zone=local', ready: (at) => at.getByTestId('calls') },
      {
        name: 'overview-table',
        path: '/?range=24h',
        act: (page) => page.getByText('Show as a table').first().click(),
        ready: (at) => at.getByRole('region', { name: /, table$/ }),
      },
      { name: 'overview-loading', path: '/', before: stall, ready: (at) => at.getByLabel('Loading usage') },
      { name: 'overview-failed', path: '/', before: fail, ready: (at) => at.getByRole('alert'), refused: true },
      { name: 'apis', path: '/apis', ready: (at) => at.getByRole('table') },
      { name: 'apis-none', path: '/apis?q=no-such-api', ready: (at) => at.getByText('No API matches') },
      { name: 'apis-loading', path: '/apis', before: stall, ready: (at) => at.getByLabel('Loading APIs') },
      {
        name: 'menu',
        path: '/apis',
        act: async (page) => {
          await page.getByRole('table').waitFor();
          const menu = page.getByRole('button', { name: 'Open menu' });
          if (await menu.isVisible()) await menu.click();
        },
        ready: (at) => at.getByRole('button', { name: 'Sign out' }),
      },
      { name: 'not-found', path: '/nowhere', ready: (at) => at.getByText('There is no such page') },
    ],
    await session(dashboard, (page) => signIn(page, tollgate.user)),
  );
});

const BROKEN = 'openapi: 3.0.0\ninfo:\n  title: Broken\n  version: "1"\npaths:\n  /a:\n    get: [not, an, operation\n';
const SMALL = `openapi: 3.0.3
info: { title: Orders, version: "1" }
servers: [{ url: "https://orders.example.com/v1" }]
paths:
  /orders:
    get: { operationId: listOrders, responses: { "200": { description: all } } }
    post: { operationId: placeOrder, responses: { "201": { description: placed } } }
  /orders/{id}:
    get:
      operationId: getOrder
      parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
      responses: { "200": { description: one } }
      callbacks: { paid: { "{$request.body#/url}": { post: { responses: { "200": { description: ok } } } } } }
`;

async function importPasted(page: Page, document: string) {
  await paste(page, document);
  await page.getByRole('button', { name: 'Import and deploy' }).click();
}

it('axe finds nothing from the import to the API', async () => {
  const { api } = await mutate<{ api: { id: string } }>(
    tollgate,
    'apiImport',
    { document: SMALL, stage: 'dev' },
    'api { id }',
  );
  const at = { apiId: api.id };
  await mutate(tollgate, 'apiDeploy', { ...at, stage: 'prod', description: 'First release' }, 'status');
  await mutate(tollgate, 'apiEdit', { ...at, edits: [{ edit: 'putResource', path: '/invoices' }] }, 'api { id }');
  await mutate(tollgate, 'apiDeploy', { ...at, stage: 'dev' }, 'status');
  const path = `/apis/${api.id}`;
  await inspect(
    browser,
    dashboard,
    [
      { name: 'import-file', path: '/apis/import', ready: (page) => page.getByText('Drop an OpenAPI file') },
      {
        name: 'import-file-missing',
        path: '/apis/import',
        act: (page) => page.getByRole('button', { name: 'Import and deploy' }).click(),
        ready: (page) => page.getByRole('alert'),
      },
      {
        name: 'import-url',
        path: '/apis/import?from=url',
        ready: (page) => page.getByLabel('Address of the document'),
      },
      {
        name: 'import-url-failed',
        path: '/apis/import?from=url',
        act: async (page) => {
          await page.getByLabel('Address of the document').fill('http://127.0.0.1:9/openapi.yaml');
          await page.getByRole('button', { name: 'Import and deploy' }).click();
        },
        ready: (page) => page.getByRole('alert'),
      },
      {
        name: 'import-paste',
        path: '/apis/import?from=paste',
        ready: (page) => page.getByRole('textbox', { name: 'OpenAPI document, JSON or YAML' }),
      },
      {
        name: 'import-broken',
        path: '/apis/import?from=paste',
        act: (page) => importPasted(page, BROKEN),
        ready: (page) => page.getByRole('alert'),
      },
      {
        name: 'import-header-refused',
        path: '/apis/import?from=paste',
        act: async (page) => {
          await page.getByLabel('Header name').fill('Host');
          await page.getByRole('textbox', { name: 'Header value' }).fill('secret');
          await importPasted(page, SMALL);
        },
        ready: (page) => page.getByRole('alert'),
      },
      {
        name: 'import-done',
        path: '/apis/import?from=paste',
        act: (page) => importPasted(page, SMALL),
        ready: (page) => page.getByRole('button', { name: 'Make a test key for this line' }),
      },
      { name: 'api', path: `/apis/${tollgate.sample.api_id}`, ready: (page) => page.getByText('5 operations') },
      { name: 'api-changed', path, ready: (page) => page.getByText('changes not deployed') },
      {
        name: 'api-deployments',
        path: `${path}?tab=deployments`,
        act: (page) =>
          page
            .getByRole('button', { name: /^Roll dev back/ })
            .first()
            .click(),
        ready: (page) => page.getByRole('button', { name: 'Confirm for dev' }),
      },
      { name: 'api-none', path: `${path}?q=nothing`, ready: (page) => page.getByText('No operation matches') },
      { name: 'api-loading', path, before: stall, ready: (page) => page.getByLabel('Loading the API') },
      { name: 'api-gone', path: '/apis/zzzzzzzzzz', ready: (page) => page.getByText('There is no such API') },
      {
        name: 'graphiql',
        path: '/graphiql',
        ready: (page) => page.getByRole('textbox', { name: 'GraphQL operation' }),
      },
      {
        name: 'graphiql-answer',
        path: '/graphiql?type=Api',
        act: (page) => page.getByRole('button', { name: 'Run' }).click(),
        ready: (page) => page.getByRole('button', { name: 'Copy the answer' }),
      },
    ],
    await session(dashboard, (page) => signIn(page, tollgate.user)),
  );
});

const setPassword = (password: string) => async (page: Page) => {
  await page.getByRole('textbox', { name: 'New password' }).fill(password);
  await page.getByRole('button', { name: 'Set the password and sign in' }).click();
};

it('axe finds nothing on the portal for a visitor', async () => {
  const email = `invited-${Date.now()}@app.example`;
  await mutate(tollgate, 'developerCreate', { email, name: 'Invited' }, 'developer { id }');
  const { pathname, search } = new URL(await mailedLink(tollgate, email));
  await inspect(browser, portal, [
    { name: 'portal-catalogue', path: '/', ready: (at) => at.getByRole('link', { name: /^Subscribe to/ }) },
    {
      name: 'portal-catalogue-loading',
      path: '/',
      before: stall,
      ready: (at) => at.getByLabel('Loading the catalogue'),
    },
    { name: 'portal-catalogue-failed', path: '/', before: fail, ready: (at) => at.getByRole('alert'), refused: true },
    {
      name: 'portal-catalogue-empty',
      path: '/',
      before: (page) => page.route('**/api/catalog', (route) => route.fulfill({ json: NOTHING })),
      ready: (at) => at.getByText('No products yet'),
    },
    { name: 'portal-sign-in', path: '/sign-in', ready: (at) => at.getByRole('button', { name: 'Sign in' }) },
    {
      name: 'portal-sign-in-wrong',
      path: '/sign-in',
      act: wrongPassword,
      ready: (at) => at.getByRole('alert'),
      refused: true,
    },
    { name: 'portal-sign-up', path: '/sign-up', ready: (at) => at.getByRole('button', { name: 'Create account' }) },
    {
      name: 'portal-set-password',
      path: pathname + search,
      ready: (at) => at.getByRole('textbox', { name: 'New password' }),
    },
    {
      name: 'portal-set-password-weak',
      path: pathname + search,
      act: setPassword('short'),
      ready: (at) => at.getByText(/must have 10 to 200 characters/i),
      refused: true,
    },
    {
      name: 'portal-set-password-ended',
      path: `${pathname}?token=used`,
      act: setPassword('a long enough password'),
      ready: (at) => at.getByText('This link works no more'),
      refused: true,
    },
    { name: 'portal-set-password-cut', path: pathname, ready: (at) => at.getByText('This link is not complete') },
    { name: 'portal-not-found', path: '/nowhere', ready: (at) => at.getByText('There is no such page') },
  ]);
});

const NOTHING = { tenant: { name: 'Contoso' }, products: [] };

const rotate = (page: Page) => page.getByRole('button', { name: 'Rotate' }).first().click();

it('axe finds nothing on the portal for a developer', async () => {
  let subscribe = '';
  let subscribeFree = '';
  const newcomer = await session(portal, async (page) => {
    await page.goto('/sign-up');
    await page.getByLabel('Your name').fill('Grace');
    await page.getByLabel('E-mail').fill(`grace-${Date.now()}@app.example`);
    await page.getByRole('textbox', { name: 'Password' }).fill('a long enough password');
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByText('No subscription yet').waitFor();
    await page.goto('/');
    subscribe = (await page.getByRole('link', { name: /^Subscribe to .*Pro/ }).getAttribute('href')) ?? '';
    subscribeFree = (await page.getByRole('link', { name: /^Subscribe to .*Free/ }).getAttribute('href')) ?? '';
  });
  const empty: Screen = {
    name: 'portal-subscriptions-none',
    path: '/subscriptions',
    ready: (at) => at.getByText('No subscription yet'),
  };
  await inspect(browser, portal, [empty], newcomer);
  await inspect(
    browser,
    portal,
    [
      { name: 'portal-catalogue-in', path: '/', ready: (at) => at.getByRole('button', { name: 'Sign out' }) },
      { name: 'portal-subscribe', path: subscribe, ready: (at) => at.getByRole('button', { name: /get a key/ }) },
      {
        name: 'portal-subscribe-gone',
        path: '/subscribe/none',
        ready: (at) => at.getByText('This plan is no longer offered'),
      },
      {
        name: 'portal-subscribed',
        path: subscribe,
        act: async (page) => {
          await page.getByLabel('App').fill(`App ${crypto.randomUUID().slice(0, 8)}`);
          await page.getByRole('button', { name: /get a key/ }).click();
        },
        ready: (at) => at.getByRole('button', { name: 'Show the key', pressed: true }),
      },
      {
        name: 'portal-subscriptions',
        path: '/subscriptions',
        ready: (at) => at.getByRole('button', { name: 'Rotate' }),
      },
      {
        name: 'portal-subscriptions-loading',
        path: '/subscriptions',
        before: stall,
        ready: (at) => at.getByLabel('Loading subscriptions'),
      },
      {
        name: 'portal-subscribe-again',
        path: subscribeFree,
        act: async (page) => {
          await page.getByLabel('App').fill('Weather widget');
          await page.getByRole('button', { name: /get a key/ }).click();
        },
        ready: (at) => at.getByText('This app has a subscription to this plan already'),
        refused: true,
      },
      {
        name: 'portal-rotate',
        path: '/subscriptions',
        act: rotate,
        ready: (at) => at.getByRole('button', { name: 'Rotate now' }),
      },
    ],
    await session(portal, (page) => signIn(page, tollgate.portal_user)),
  );
});
