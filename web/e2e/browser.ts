import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContextOptions, chromium, type Locator, type Page } from 'playwright-core';
import { expect } from 'vitest';

const SCREENSHOTS = fileURLToPath(new URL('screenshots/', import.meta.url));

/** How every screen is looked at, each in both colour schemes. The last one is 1280 px at 200 % zoom. */
const SIZES: { name: string; options: BrowserContextOptions }[] = [
  { name: '1280', options: { viewport: { width: 1280, height: 860 } } },
  { name: '390', options: { viewport: { width: 390, height: 844 } } },
  { name: 'zoom-200', options: { viewport: { width: 640, height: 430 }, deviceScaleFactor: 2 } },
];
const VIEWS = (['light', 'dark'] as const).flatMap((colorScheme) =>
  SIZES.map(({ name, options }) => ({ name: `${colorScheme}-${name}`, options: { ...options, colorScheme } })),
);

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A page of an own context, with whatever the browser complains about on the console. */
export async function open(browser: Browser, base: string, options: BrowserContextOptions = {}) {
  const context = await browser.newContext({ baseURL: base, reducedMotion: 'reduce', ...options });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: base });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // A session that is not there is asked for and answered 401: the browser reports that, it is no fault.
    if (message.type() === 'error' && !message.text().includes('401')) complaints.push(message.text());
  });
  return { context, page, complaints };
}

export async function signIn(page: Page, { email, password }: { email: string; password: string }) {
  await page.goto('/sign-in');
  await page.getByLabel('E-mail').fill(email);
  await page.getByRole('textbox', { name: 'Password' }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => url.pathname !== '/sign-in');
}

type Screen = {
  name: string;
  path: string;
  /** Brings the screen into the state to look at. */
  act?: (page: Page) => Promise<unknown>;
  /** What is there once the screen, or its state, is. */
  ready: (page: Page) => Locator;
  /** What the browser may complain about here: the state is that of a refusal. */
  refused?: boolean;
};

/**
 * Opens each screen in each view: axe finds nothing, nothing overflows sideways, the browser does not complain. Leaves a
 * picture of each behind.
 */
export async function inspect(
  browser: Browser,
  base: string,
  screens: Screen[],
  storage?: BrowserContextOptions['storageState'],
) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const found: string[] = [];
  for (const view of VIEWS) {
    const { context, page, complaints } = await open(browser, base, {
      ...view.options,
      ...(storage && { storageState: storage }),
    });
    for (const screen of screens) {
      await page.goto(screen.path);
      await screen.act?.(page);
      await screen.ready(page).first().waitFor();
      await page.evaluate(() => document.fonts.ready);
      const { violations } = await new AxeBuilder({ page }).analyze();
      found.push(
        ...violations.map(
          ({ id, nodes }) => `${screen.name} ${view.name}: ${id} at ${nodes.map((node) => node.target).join(', ')}`,
        ),
      );
      const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (beyond > 0) found.push(`${screen.name} ${view.name}: ${beyond} px wider than the window`);
      await page.screenshot({ path: `${SCREENSHOTS}${screen.name}-${view.name}.png`, fullPage: true });
      const noted = complaints.splice(0).filter((complaint) => !(screen.refused && /status of 4/.test(complaint)));
      found.push(...noted.map((complaint) => `${screen.name} ${view.name}: ${complaint}`));
      await page.unrouteAll({ behavior: 'ignoreErrors' });
    }
    await context.close();
  }
  expect(found).toEqual([]);
}

/** Counts the clicks and seconds of a journey and prints them. */
export class Journey {
  private clicks = 0;
  private readonly started = performance.now();

  constructor(private readonly name: string) {}

  async click(target: Locator) {
    this.clicks += 1;
    await target.click();
  }

  /** A form is one click, however many fields were filled in before. */
  end(limits: { clicks: number; seconds: number }) {
    const seconds = (performance.now() - this.started) / 1000;
    process.stdout.write(`journey ${this.name}: ${this.clicks} clicks, ${seconds.toFixed(1)} s\n`);
    expect(this.clicks).toBeLessThanOrEqual(limits.clicks);
    expect(seconds).toBeLessThan(limits.seconds);
  }
}
