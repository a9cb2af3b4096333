/**
 * Colours of plots and tags for both schemes. Canvas text and lines are invisible to accessibility checkers, therefore
 * palette.test.ts holds every line at 3:1 and every text at 4.5:1 against the ground it is drawn on.
 */

export type Scheme = 'light' | 'dark';

/** What a line stands for. The dash pattern tells lines apart without colour. */
export type Role = 'success' | 'redirect' | 'clientError' | 'serverError' | 'p50' | 'p95' | 'p99';

type Line = { light: string; dark: string; dash: number[] };

export const LINES: Record<Role, Line> = {
  success: { light: '#424dc9', dark: '#8f9bff', dash: [] },
  redirect: { light: '#0b7a8a', dark: '#4fc7d6', dash: [10, 3, 2, 3] },
  clientError: { light: '#b45a00', dark: '#f5b14c', dash: [7, 4] },
  serverError: { light: '#c0262d', dark: '#ff7d7d', dash: [2, 3] },
  p50: { light: '#0b7a4b', dark: '#5fd6a0', dash: [2, 3] },
  p95: { light: '#7b3fb8', dark: '#c79bff', dash: [] },
  p99: { light: '#b02a68', dark: '#ff8cc0', dash: [7, 4] },
};

export const GROUND: Record<Scheme, string> = { light: '#ffffff', dark: '#161b27' };
export const AXIS_TEXT: Record<Scheme, string> = { light: '#555e73', dark: '#99a1b7' };
export const GRID: Record<Scheme, string> = { light: '#eceef4', dark: '#252c3b' };

export type Tag = { ink: string; ground: string };

/** Colours of HTTP method tags; the tag always spells the method too. */
export const METHODS: Record<string, Record<Scheme, Tag>> = {
  GET: { light: { ink: '#2c49a8', ground: '#e6ecff' }, dark: { ink: '#a9bdff', ground: '#1f2b52' } },
  POST: { light: { ink: '#0a6b42', ground: '#dff5e9' }, dark: { ink: '#6fdcaa', ground: '#12352a' } },
  PUT: { light: { ink: '#865000', ground: '#fdf0d5' }, dark: { ink: '#f3c266', ground: '#3a2c10' } },
  PATCH: { light: { ink: '#6a34a3', ground: '#f1e6fb' }, dark: { ink: '#cfa8ff', ground: '#33224b' } },
  DELETE: { light: { ink: '#ab2027', ground: '#fde8e8' }, dark: { ink: '#ff9d9d', ground: '#431d21' } },
  OTHER: { light: { ink: '#3f485b', ground: '#e9ecf2' }, dark: { ink: '#b7bed0', ground: '#293042' } },
};

export function methodTag(method: string, scheme: Scheme): Tag {
  const colours = METHODS[method] ?? METHODS.OTHER;
  return colours?.[scheme] ?? { ink: 'inherit', ground: 'transparent' };
}

/** The line's colour with an alpha, for the area beneath it. */
export function faded(colour: string, alpha: number): string {
  return `${colour}${Math.round(alpha * 255)
    .toString(16)
    .padStart(2, '0')}`;
}
