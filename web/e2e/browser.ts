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
const SCHEMES = ['light', 'dark'] as const;

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

/** Pastes a document into the import form's editor, in place of what is there. */
export async function paste(page: Page, text: string) {
  const editor = page.getByRole('textbox', { name: 'OpenAPI document, JSON or YAML' });
  await editor.waitFor();
  await page.evaluate((content) => navigator.clipboard.writeText(content), text);
  await editor.focus();
  await page.keyboard.press('Control+a');
  await page.keyboard.press('Control+v');
}

export type Screen = {
  name: string;
  path: string;
  /** Prepares the state before the screen is opened. */
  before?: (page: Page) => Promise<unknown>;
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
  const found = await Promise.all(
    SCHEMES.map(async (colorScheme) => {
      const faults: string[] = [];
      for (const { name, options } of SIZES) {
        const view = { ...options, colorScheme, ...(storage && { storageState: storage }) };
        const { context, page, complaints } = await open(browser, base, view);
        for (const screen of screens) {
          const said = await look(page, screen, `${SCREENSHOTS}${screen.name}-${colorScheme}-${name}.png`);
          const noted = complaints.splice(0).filter((complaint) => !(screen.refused && REFUSAL.test(complaint)));
          faults.push(...[...said, ...noted].map((fault) => `${screen.name} ${colorScheme} ${name}: ${fault}`));
        }
        await context.close();
      }
      return faults;
    }),
  );
  expect(found.flat()).toEqual([]);
}

const REFUSAL = /status of [45]\d\d/;

/** Brings a page to a screen and answers what is wrong with it. */
async function look(page: Page, { path, before, act, ready }: Screen, picture: string): Promise<string[]> {
  await before?.(page);
  await page.goto(path);
  await act?.(page);
  await ready(page).first().waitFor();
  await page.evaluate(() => document.fonts.ready);
  // The pages have no frames, which is all that the other mode is for.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().analyze();
  const faults = violations.map(({ id, nodes }) => `${id} at ${nodes.map((node) => node.target).join(', ')}`);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (beyond > 0) faults.push(`${beyond} px wider than the window`);
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: picture, fullPage: true });
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  return faults;
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
