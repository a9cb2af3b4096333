import { describe, expect, it } from 'vitest';
import { AXIS_TEXT, GROUND, LINES, METHODS, type Scheme } from './palette';

const SCHEMES: Scheme[] = ['light', 'dark'];

function luminance(hex: string): number {
  const channel = (at: number) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

/** Contrast ratio of WCAG 2.2, 1 to 21. */
function contrast(a: string, b: string): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].toSorted((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

describe.each(SCHEMES)('%s scheme', (scheme) => {
  it.each(Object.entries(LINES))('draws the %s line at 3:1 or better', (_, line) => {
    expect(contrast(line[scheme], GROUND[scheme])).toBeGreaterThanOrEqual(3);
  });

  it('writes axis text at 4.5:1 or better', () => {
    expect(contrast(AXIS_TEXT[scheme], GROUND[scheme])).toBeGreaterThanOrEqual(4.5);
  });

  it.each(Object.entries(METHODS))('writes the %s tag at 4.5:1 or better', (_, tag) => {
    expect(contrast(tag[scheme].ink, tag[scheme].ground)).toBeGreaterThanOrEqual(4.5);
  });
});

describe('lines drawn together', () => {
  it.each([
    ['status classes', ['success', 'redirect', 'clientError', 'serverError'] as const],
    ['latencies', ['p50', 'p95', 'p99'] as const],
  ])('%s differ by dash pattern, not by colour alone', (_, roles) => {
    const patterns = roles.map((role) => LINES[role].dash.join(' '));
    expect(new Set(patterns).size).toBe(patterns.length);
  });
});
