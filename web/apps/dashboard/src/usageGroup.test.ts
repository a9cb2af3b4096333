import { expect, it } from 'vitest';
import { groupValue } from './usageGroup';

it('a group without the dimension has no value', () => {
  expect(groupValue({ api: 'a1b2' }, 'api')).toBe('a1b2');
  expect([groupValue({}, 'api'), groupValue(null, 'api'), groupValue('x', 'api')]).toEqual(['', '', '']);
});
