import { expect, it } from 'vitest';
import { safeNext } from './next';

it('returns to a path of our own', () => {
  expect(safeNext('/apis?q=museum')).toBe('/apis?q=museum');
});

it.each(['//evil.example', 'https://evil.example', '/\\evil.example', 'javascript:alert(1)', 7, undefined, '/'])(
  'does not follow %s',
  (next) => {
    expect(safeNext(next)).toBeUndefined();
  },
);
